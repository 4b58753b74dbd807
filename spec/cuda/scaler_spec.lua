-- Mixed precision: autocast and the gradient scaler, on the CPU and, where there is one, on a GPU.
local torch = require 'torch'
local nn = require 'nn'
local optim = require 'optim'

local devices = { 'cpu' }
if torch.cuda.is_available() then devices[2] = 'cuda' end

local function parameter(values, device)
  local x = torch.tensor(values):to { device = device, dtype = 'float32' }
  x.requires_grad = true
  return x
end

for _, device in ipairs(devices) do
  describe('a gradient scaler on ' .. device, function()
    it('scales and unscales', function()
      local scaler = torch.GradScaler { init_scale = 8 }
      local w = parameter({ 1, 2 }, device)
      local optimizer = optim.SGD({ w }, { lr = 1 })
      scaler:scale(torch.cmul(w, w):sum()):backward()
      assert.same({ 16, 32 }, w.grad:totable())
      scaler:step(optimizer)
      assert.same({ 2, 4 }, w.grad:totable())
      assert.same({ -1, -2 }, w:detach():totable())
      scaler:update()
      assert.equal(8, scaler:get_scale())
      assert.equal(16, scaler:scale(2))
      local both = scaler:scale({ torch.ones(1):to(device), { 2 } })
      assert.same({ 8 }, both[1]:totable())
      assert.same({ 16 }, both[2])
    end)

    it('leaves bad steps out and adapts', function()
      for _, bad in ipairs { math.huge, -math.huge, 0 / 0 } do
        local scaler = torch.GradScaler { init_scale = 16, growth_interval = 2 }
        local w, v = parameter({ 1, 2, 3 }, device), parameter({ 5 }, device)
        local optimizer = optim.Adam({ w, v }, { lr = 1 })
        w.grad, v.grad = torch.ones(3):to(device), torch.ones(1):to(device)
        w.grad[2] = bad
        scaler:step(optimizer)
        assert.same({ 1, 2, 3 }, w:detach():totable())
        assert.same({ 5 }, v:detach():totable())
        scaler:update()
        assert.equal(8, scaler:get_scale())
        for k = 1, 4 do
          w.grad:fill(1)
          v.grad:fill(1)
          scaler:step(optimizer)
          scaler:update()
          assert.equal(8 * 2 ^ math.floor(k / 2), scaler:get_scale())
        end
        assert.is_true(v:detach()[1] < 5)
      end
    end)

    it('unscales before clipping, once', function()
      local scaler = torch.GradScaler { init_scale = 4 }
      local w = parameter({ 3, 4 }, device)
      local optimizer = optim.SGD({ w }, { lr = 1 })
      w.grad = torch.Tensor { 12, 16 }:to(device)
      scaler:unscale_(optimizer)
      local norm = optim.clip_grad_norm_({ w }, 1)
      norm = torch.isTensor(norm) and norm:item() or norm
      assert.is_true(math.abs(norm - 5) < 1e-5)
      assert.has_error(function() scaler:unscale_(optimizer) end)
      scaler:step(optimizer)
      assert.has_error(function() scaler:step(optimizer) end)
      assert.is_true(torch.dist(w:detach():float(), torch.Tensor { 2.4, 3.2 }) < 1e-4)
      scaler:update()
      scaler:unscale_(optimizer)
    end)

    it("serves Torch7's optimizers", function()
      local scaler = torch.GradScaler { init_scale = 4 }
      local w, config = torch.Tensor { 1, 2 }:to(device), { learningRate = 0.5 }
      local gradient = torch.Tensor { 4, 8 }
      local function feval() return 7, gradient:to(device):clone() end
      local x, f = scaler:step(optim.sgd, feval, w, config)
      assert.is_true(x == w)
      assert.equal(7, f[1])
      assert.same({ 0.5, 1 }, w:totable())
      scaler:update()
      gradient[1] = math.huge
      scaler:step(optim.sgd, feval, w, config)
      scaler:update()
      assert.same({ 0.5, 1 }, w:totable())
      assert.equal(2, scaler:get_scale())
    end)

    it('does nothing when it is off', function()
      local scaler = torch.GradScaler { enabled = false }
      local w = parameter({ 1 }, device)
      local optimizer = optim.SGD({ w }, { lr = 1 })
      assert.equal(3, scaler:scale(3))
      w.grad = torch.ones(1):to(device)
      scaler:unscale_(optimizer)
      scaler:step(optimizer)
      scaler:update()
      assert.same({ 0 }, w:detach():totable())
      assert.equal(1, scaler:get_scale())
      assert.same({}, scaler:state_dict())
      assert.is_false(scaler:is_enabled())
    end)

    it('keeps its state in files', function()
      local scaler = torch.GradScaler { init_scale = 32, growth_interval = 3 }
      local w = parameter({ 1 }, device)
      local optimizer = optim.SGD({ w }, { lr = 1 })
      w.grad = torch.ones(1):to(device)
      scaler:step(optimizer)
      scaler:update()
      local other = torch.GradScaler()
      other:load_state_dict(torch.deserialize(torch.serialize(scaler:state_dict())))
      for _ = 1, 2 do
        other:step(optimizer)
        other:update()
      end
      assert.equal(64, other:get_scale())
      other:set_growth_interval(5)
      assert.equal(5, other:get_growth_interval())
      other:update(128)
      assert.equal(128, other:get_scale())
    end)

    it('trains in float16 and bfloat16', function()
      for _, dtype in ipairs { 'float16', 'bfloat16' } do
        torch.manualSeed(1)
        local model = nn.Sequential():add(nn.Linear(4, 16)):add(nn.Tanh()):add(nn.Linear(16,
          1)):to(device)
        local criterion = nn.MSECriterion():to(device)
        local x = torch.rand(32, 4):to(device)
        local y = x:sum(2):clone()
        local optimizer, scaler = optim.Adam(model:parameters(), { lr = 0.02 }), torch.GradScaler()
        local first, last
        for _ = 1, 60 do
          optimizer:zero_grad()
          local loss = torch.autocast(device, dtype, function()
            local out = model(x)
            assert.equal(dtype, out.dtype)
            return criterion(out, y)
          end)
          assert.equal('float32', loss.dtype)
          scaler:scale(loss):backward()
          scaler:step(optimizer)
          scaler:update()
          last = loss:item()
          first = first or last
        end
        assert.is_true(last < first / 10, ('%s: %g to %g'):format(dtype, first, last))
        assert.equal('float32', model:get(1).weight.grad.dtype)
        assert.equal(model:get(1).weight.device, model:get(1).weight.grad.device)
      end
    end)
  end)

  describe('autocast on ' .. device, function()
    it('names a device or a dtype, or both', function()
      local a, b = torch.randn(3, 4):to(device), torch.randn(4, 5):to(device)
      local function product() return torch.mm(a, b).dtype end
      assert.equal('bfloat16', torch.autocast(product))
      assert.equal('float16', torch.autocast('float16', product))
      assert.equal('float16', torch.autocast('cuda', product))
      assert.equal('bfloat16', torch.autocast('cpu', product))
      assert.equal('bfloat16', torch.autocast('cuda', 'bfloat16', product))
      assert.equal('float16', torch.autocast('cuda:0', 'float16', product))
      assert.equal('float32', product())
      assert.has_error(function() torch.autocast('cuda', 'float64', product) end)
      assert.has_error(function() torch.autocast('cuda', 'bfloat16') end)
      assert.equal('float32', product())
    end)
  end)
end

describe('a gradient scaler', function()
  it('says what is wrong', function()
    for _, options in ipairs { { init_scale = 0 }, { growth_factor = 1 }, { backoff_factor = 1 },
        { growth_interval = 0 }, { scale = 1 }, { enabled = 1 } } do
      local ok, message = pcall(torch.GradScaler, options)
      assert.is_false(ok)
      assert.is_truthy(message:find('torch.GradScaler', 1, true), message)
    end
    local scaler = torch.GradScaler()
    assert.has_error(function() scaler:scale('x') end)
    assert.has_error(function() scaler:step({}) end)
    assert.has_error(function() scaler:step(3) end)
    assert.has_error(function() scaler:unscale_(3) end)
    assert.has_error(function() scaler:update(-1) end)
    assert.has_error(function() scaler:load_state_dict({}) end)
    assert.equal('torch.GradScaler(65536)', tostring(scaler))
  end)
end)
