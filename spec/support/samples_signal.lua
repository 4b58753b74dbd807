--- Sample calls of operations: convolution, padding, resizing and Fourier transforms. Entries are
-- as spec/support/samples.lua says.

local function with(...)
  local n, values = select('#', ...), {...}
  return function(...)
    local args, given = {...}, select('#', ...)
    for k = 1, n do args[given + k] = values[k] end
    return (table.unpack or unpack)(args, 1, given + n)
  end
end

local function convolutions(explicit)
  explicit.conv1d = {
    {{2, 2, 5}, {2, 2, 3}, {2}},
    {{2, 7}, {2, 1, 2}, args = with(nil, 2, 1, 2, 2)},
    {{1, 1, 5}, {1, 1, 2}, args = with(nil, 1, 'same')}}
  explicit.conv2d = {
    {{1, 2, 4, 3}, {2, 2, 2, 2}, {2}, args = with(1, 1)},
    {{1, 2, 5, 4}, {2, 1, 2, 3}, {2}, args = with({2, 1}, {1, 2}, {2, 1}, 2)},
    {{2, 1, 3, 3}, {2, 1, 1, 1}}, {{2, 3, 3}, {1, 2, 2, 2}, args = with(nil, 1, 'same')}}
  explicit.conv3d = {
    {{1, 1, 3, 2, 3}, {2, 1, 2, 2, 2}, {2}},
    {{1, 3, 3, 3}, {1, 1, 2, 2, 2}, args = with(nil, 2, {1, 0, 1})}}
  explicit.conv_transpose1d = {
    {{2, 2, 3}, {2, 2, 3}, {2}},
    {{2, 4}, {2, 1, 2}, args = with(nil, 3, 1, 2, 2)}}
  explicit.conv_transpose2d = {
    {{1, 2, 2, 2}, {2, 1, 2, 2}, {1}, args = with(2, 1, 1)},
    {{2, 2, 3}, {2, 1, 2, 2}, {2}, args = with({2, 1}, 0, {1, 0}, 2, {1, 2})}}
  explicit.conv_transpose3d = {{{1, 1, 2, 2, 2}, {1, 2, 2, 1, 2}, {2}, args = with(2)}}
end

local function classic(explicit)
  local function of(...)
    local first, spaces, kernels, list = {...}, {}, {}, {}
    for d = 1, #first do spaces[d], kernels[d] = first[d], d == 1 and 2 or 1 + d % 2 end
    local function sizes(space, ...)
      local all = {...}
      for d = 1, #space do all[#all + 1] = space[d] end
      return all
    end
    for _, shape in ipairs {'V', 'F'} do
      list[#list + 1] = {spaces, kernels, args = with(shape)}
      list[#list + 1] = {sizes(spaces, 2), sizes(kernels, 2), args = with(shape)}
      list[#list + 1] = {sizes(spaces, 2), sizes(kernels, 3, 2), args = with(shape)}
    end
    list[#list + 1] = {spaces, kernels}
    return list
  end
  explicit.conv2, explicit.xcorr2 = of(3, 4), of(3, 4)
  explicit.conv3, explicit.xcorr3 = of(2, 3, 2), of(2, 3, 2)
end

local function windows(explicit)
  explicit.im2col = {
    {{1, 2, 3, 4}, args = with(2)}, {{2, 4, 4}, args = with({2, 1}, {1, 2}, {1, 0}, 2)}}
  explicit.col2im = {
    {{1, 8, 6}, args = with({3, 4}, 2)}, {{2, 9}, args = with(4, 2, 1, 1, 2), bounds = {-2, 2}}}
  explicit.col2im[2][1] = {4, 9}
  explicit.max_pool1d = {
    {{2, 2, 6}, args = with(2)}, {{2, 7}, args = with(3, 2, 1, 2, true)}}
  explicit.max_pool2d = {
    {{1, 2, 4, 4}, args = with(2)}, {{2, 5, 4}, args = with({3, 2}, {2, 1}, {1, 0}, {1, 2})}}
  explicit.max_pool3d = {{{1, 3, 3, 4}, args = with(2, 1)}}
  explicit.avg_pool1d = {
    {{2, 2, 6}, args = with(2)}, {{2, 7}, args = with(3, 2, 1, true, false)}}
  explicit.avg_pool2d = {
    {{1, 2, 4, 4}, args = with(2)}, {{2, 5, 4}, args = with({3, 2}, {2, 1}, 1, true)},
    {{1, 5, 5}, args = with(3, 2, 1, false, false, 5)}}
  explicit.avg_pool3d = {{{1, 3, 3, 4}, args = with(2, 1)}}
  explicit.adaptive_max_pool1d = {{{2, 7}, args = with(3)}}
  explicit.adaptive_max_pool2d = {{{2, 5, 4}, args = with({2, 3})}, {{1, 1, 3, 3}, args = with(1)}}
  explicit.adaptive_max_pool3d = {{{1, 3, 4, 2}, args = with({2, 3, 2})}}
  explicit.adaptive_avg_pool1d = {{{2, 7}, args = with(3)}}
  explicit.adaptive_avg_pool2d = {{{2, 5, 4}, args = with({2, 3})}, {{1, 1, 3, 3}, args = with(1)}}
  explicit.adaptive_avg_pool3d = {{{1, 3, 4, 2}, args = with({2, 3, 2})}}
end

local function transforms(explicit)
  explicit.fft_c2c = {
    {{2, 3, 2}}, {{6, 2, 2}, args = with(1, true, 0.5)}, {{1, 7, 2}, args = with(-1)},
    {{17, 2}}, {{5, 2}, args = with(1, true)}}
  explicit.fft_r2c = {{{2, 6}}, {{5, 3}, args = with(1, 0.5)}, {{1}}}
  explicit.fft_c2r = {{{2, 4, 2}, args = with(6)}, {{3, 3, 2}, args = with(5, 1, 0.5)},
    {{1, 2}, args = with(1)}}
  explicit.pad = {
    {{2, 3}, args = with({1, 2})}, {{2, 3}, args = with({0, 1, 2, 0}, 'constant', 1.5)},
    {{2, 4}, args = with({-1, 1, 1})}, {{2, 4}, args = with({3, 2, 0, 1}, 'reflect')},
    {{2, 3}, args = with({1, 4, 2, -1}, 'replicate')},
    {{2, 3}, args = with({3, 1, -1, 1}, 'circular')},
    {{2, 4}, args = with({-1, -2})}}
  explicit.pad[3].args = with({-1, 1, 1, 0})
end

local function images(explicit)
  explicit.interpolate = {
    {{1, 2, 3, 2}, args = with({5, 3})}, {{1, 1, 4}, args = with(6, nil, 'linear')},
    {{1, 1, 2, 3}, args = with(nil, 2, 'bilinear')},
    {{1, 1, 3, 3}, args = with({4, 2}, nil, 'bilinear', true)},
    {{1, 1, 3, 4}, args = with({2, 5}, nil, 'bicubic')},
    {{1, 1, 2, 3}, args = with(nil, 1.7, 'bicubic', true)},
    {{1, 1, 2, 2, 3}, args = with({3, 1, 2}, nil, 'trilinear')},
    {{1, 1, 4, 3}, args = with({2, 2}, nil, 'area')},
    {{1, 1, 4, 3}, args = with({3, 2}, nil, 'nearest-exact')}}
  explicit.pixel_shuffle = {{{8, 2, 1}, args = with(2)}, {{2, 4, 1, 2}, args = with(2)}}
  explicit.pixel_unshuffle = {{{2, 4, 2}, args = with(2)}, {{1, 1, 3, 3}, args = with(3)}}
  explicit.channel_shuffle = {{{2, 6, 2}, args = with(3)}}
  local scales, zeros = torch.DoubleTensor {0.25, 0.5, 1}, torch.LongTensor {0, 3, -2}
  explicit.quantize_per_tensor = {
    {{2, 3}, args = with(0.1)}, {{5}, args = with(0.01, 100, 'uint8')},
    {{5}, args = with(1e-6, 5, 'int32')}}
  explicit.dequantize_per_tensor = {{{2, 3}, args = with(0.5)}, {{5}, args = with(0.25, 3)}}
  explicit.quantize_per_channel = {
    {{3, 2}, args = with(scales, zeros)}, {{2, 3, 2}, args = with(scales, zeros, 2, 'uint8')}}
  explicit.dequantize_per_channel = {{{2, 3}, args = with(scales, zeros, -1)}}
end

return function(explicit)
  convolutions(explicit)
  classic(explicit)
  windows(explicit)
  transforms(explicit)
  images(explicit)
end
