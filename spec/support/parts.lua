-- What a build without some parts says to a script that asks for them, and what it still does.
--
--   moonlet spec/support/parts.lua 'PART PART ...'
local asks = {
  attention = function() return torch.scaled_dot_product_attention(torch.rand(1, 1, 2, 4)) end,
  convolution = function() return torch.conv2(torch.rand(5, 5), torch.rand(3, 3)) end,
  ctc = function() return torch.ctc_loss(torch.rand(2, 2, 2)) end,
  fft = function() return torch.fft.fft(torch.rand(4)) end,
  linalg = function() return torch.inverse(torch.eye(2)) end,
  recurrent = function() return torch.lstm_layer(torch.rand(4, 1, 2)) end,
  statistics = function() return torch.histc(torch.rand(4)) end,
  data = function() return require('data').mnist() end,
  extras = function() return require('nngraph') end,
  models = function() return nn.LeNet() end,
  optim = function() return optim.Adam end,
  testing = function() return torch.Tester() end,
}

local missing = 0
for part in (arg[1] or ''):gmatch('%S+') do
  local ask = asks[part]
  if ask then
    local ok, message = pcall(ask)
    local said = not ok and tostring(message):match("left out of this build of Moonlet, "
      .. "which was made without '" .. part .. "'")
    if not said then
      missing = missing + 1
      print(part, ok, message)
    end
  end
end

-- What remains works.
local net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
local loss = (net(torch.rand(3, 4)) ^ 2):mean()
loss:backward()
assert(net:parameters()[1].grad:norm() > 0)
assert(torch.mm(torch.eye(3), torch.ones(3, 2)):sum() == 6)
os.exit(missing)
