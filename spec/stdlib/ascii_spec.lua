-- Images as text.
local torch = require 'torch'
local ascii = require 'image.ascii'

local function image(rows)
  return torch.FloatTensor {rows}
end

describe('ascii.draw', function()
  it('draws half blocks', function()
    local text = ascii.draw(image {{1, 0, 1}, {0, 1, 1}, {1, 1, 0}, {1, 1, 1}}, {unicode = true})
    assert.equal('▀▄█\n██▄\n', text)
  end)

  it('draws shades of ASCII', function()
    local text = ascii.draw(image {{1, 0.5, 0.2}, {1, 0.5, 0.2}}, {unicode = false})
    assert.equal('@=:\n', text:gsub('%+', '='))
    assert.is_nil(text:find('[\128-\255]'))
  end)

  it('leaves the common blank border out', function()
    local blank = {0, 0, 0, 0}
    local dot = image {blank, {0, 0, 1, 0}, {0, 0, 1, 0}, blank}
    assert.equal('█\n', ascii.draw(dot, {unicode = true}))
    assert.equal('\n\n', ascii.draw(image {blank, blank, blank, blank}, {unicode = true}))
  end)

  it('puts images side by side with captions below', function()
    local two = torch.FloatTensor {{{1, 1}, {1, 1}}, {{1, 1}, {1, 1}}}
    assert.equal('██  ██\na   b\n', ascii.draw(two, {unicode = true, captions = {'a', 'b'}}))
    assert.equal('██\na\n\n██\nb\n',
      ascii.draw(two, {unicode = true, captions = {'a', 'b'}, width = 4}))
    assert.equal('██  ██\nlo  5\n', ascii.draw(two, {unicode = true, captions = {'long', 5}}))
  end)

  it('takes flat square images and bounds values', function()
    assert.equal('█▄\n', ascii.draw(torch.FloatTensor {{7, -3, 1, 9}}, {unicode = true}))
    assert.error_matches(function() ascii.draw(torch.FloatTensor {{1, 2, 3}}) end, 'square images')
    assert.error_matches(function() ascii.draw(torch.FloatTensor {1, 2}) end, 'expected count x')
  end)
end)
