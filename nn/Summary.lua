--- What model:summary() returns: a list of layers and their totals, which prints as a table.
--   layers   {name, type, depth, output, parameters, multiplyAdds, calls} each: output is a list of
--            sizes, or of such lists; parameters are the layer's own, which no layer before has
--   parameters, multiplyAdds, calls        totals
--   parameterBytes, activationBytes, bytes  memory: of the parameters, of the results of all layers
--            that have no others inside, and of both
local torch = require 'torch'
local run = require 'nn.run'
local values = require 'nn.values'
local conversion = require 'nn.conversion'

local Summary = torch.class('nn.Summary')

-- ---------------------------------------------------------------------------------------------
-- The input.

local function is_sizes(value)
  if type(value) ~= 'table' or #value == 0 then return false end
  for _, size in ipairs(value) do
    if type(size) ~= 'number' then return false end
  end
  return true
end

-- Sizes become ones: those are also good as indices.
local function input_of(value, kind)
  if type(value) == 'number' then value = {value} end
  if torch.isStorage(value) then value = value:totable() end
  if is_sizes(value) then
    for _, size in ipairs(value) do
      if size < 1 or size % 1 ~= 0 then
        error(('summary: whole sizes above 0 expected, got {%s}'):format(
          table.concat(value, ', ')), 0)
      end
    end
    return torch.ones(torch.LongStorage(value)):type(kind)
  end
  if type(value) == 'userdata' then return value end
  if type(value) ~= 'table' or next(value) == nil then
    error(('summary: an input, or its size such as {16, 784}, expected, got %s'):format(
      torch.type(value)), 0)
  end
  local list = {}
  for key, part in pairs(value) do list[key] = input_of(part, kind) end
  return list
end

-- ---------------------------------------------------------------------------------------------
-- Counting.

local function sizes_of(value)
  if type(value) == 'userdata' then return value:size():totable() end
  if type(value) ~= 'table' then return {} end
  local list = {}
  for key, part in pairs(value) do list[key] = sizes_of(part) end
  return list
end

local function count_elements(value)
  local count = 0
  values.each(function(tensor) count = count + tensor:nElement() end, value)
  return count
end

local function bytes_of(tensor)
  return tensor:nElement() * tensor:elementSize()
end

local function first_tensor(value)
  return values.list_of(value)[1]
end

-- How often weights are applied: once for each position, which has all channels or features.
local function positions(module, weights, input, output)
  local kind, result = torch.type(module), first_tensor(output)
  if not result or result:nElement() == 0 then return 0 end
  if kind:find('ConvolutionLocal') then -- has weights of their own for each position
    return result:dim() > 3 and result:size(1) or 1
  elseif kind:find('ConvolutionMap') then -- weights are rows of connections
    return result:nElement() / module.nOutputPlane
  elseif kind:find('FullConvolution') or kind:find('ConvTranspose') then
    return first_tensor(input):nElement() / weights:size(1)
  elseif weights:dim() > 2 or module.nOutputPlane then
    return result:nElement() / weights:size(1)
  end
  return count_elements(output) / result:size(result:dim())
end

-- Has the module one factor, at most, for each element?
local function is_elementwise(module, weights)
  local kind = torch.type(module)
  return weights:dim() == 1 or kind:find('Norm') and not kind:find('WeightNorm')
    or kind:find('%.C?Mul$') or kind:find('%.C?Add$')
end

-- A class may know better: module:multiplyAdds(input, output).
local function multiply_adds(module, own, input, output)
  if module.multiplyAdds then return module:multiplyAdds(input, output) end
  local kind, count = torch.type(module), 0
  if kind:find('LookupTable') or kind:find('Embedding') or kind:find('Add$') then return 0 end
  for _, tensor in ipairs(own) do
    if is_elementwise(module, tensor) then
      if rawequal(tensor, module.weight) then count = count + count_elements(output) end
    else
      count = count + tensor:nElement() * positions(module, tensor, input, output)
    end
  end
  return count
end

-- The parameters that are the module's own, not those of modules inside.
local function own_parameters(module)
  local inner, own = {}, {}
  for _, child in ipairs(module.children and module:children() or {}) do
    for _, tensor in ipairs((child:parameters()) or {}) do inner[torch.pointer(tensor)] = true end
  end
  for _, tensor in ipairs(module.parameters and (module:parameters()) or {}) do
    if not inner[torch.pointer(tensor)] then own[#own + 1] = tensor end
  end
  return own
end

-- ---------------------------------------------------------------------------------------------
-- Running.

-- One that may run without leaving a trace in the model: only the parameters are the same.
local function stand_in(model)
  local tensors, gradients = model:parameters()
  local kept = {}
  for i, tensor in ipairs(tensors or {}) do
    kept[#kept + 1] = tensor
    kept[#kept + 1] = gradients[i]
  end
  local copy = conversion.clone(model, kept)
  copy:evaluate()
  return copy
end

local function add_parameters(self, layer, own, seen)
  for _, tensor in ipairs(own) do
    local at = tensor:nElement() > 0
      and ('%d:%d'):format(torch.pointer(tensor:storage()), tensor:storageOffset()) or ''
    if not seen[at] then
      seen[at] = true
      layer.parameters = layer.parameters + tensor:nElement()
      self.parameters = self.parameters + tensor:nElement()
      self.parameterBytes = self.parameterBytes + bytes_of(tensor)
    end
  end
end

-- What run.observe tells becomes layers, in the order in which they begin.
local function recorder(self)
  local by_module, seen, had_inner = {}, {}, {}
  local watch, top = {}, nil

  function watch.enter(module, depth, place)
    top = top or depth
    local layer = by_module[module]
    if layer then return end
    layer = {name = place and place:match('^%s*(.-)%s*$') or '', type = torch.type(module),
      depth = depth - top, parameters = 0, multiplyAdds = 0, calls = 0, output = {}}
    if depth == top then layer.name = '' end
    layer.own = own_parameters(module)
    add_parameters(self, layer, layer.own, seen)
    by_module[module] = layer
    self.layers[#self.layers + 1] = layer
    for i = #self.layers - 1, 1, -1 do
      if self.layers[i].depth < layer.depth then
        had_inner[self.layers[i]] = true
        break
      end
    end
  end

  function watch.leave(module, input, output)
    local layer = by_module[module]
    local adds = multiply_adds(module, layer.own, input, output)
    layer.calls, layer.output = layer.calls + 1, sizes_of(output)
    layer.multiplyAdds = layer.multiplyAdds + adds
    self.multiplyAdds = self.multiplyAdds + adds
    if not had_inner[layer] then
      values.each(function(tensor)
        self.activationBytes = self.activationBytes + bytes_of(tensor)
      end, output)
    end
  end
  return watch
end

--- Runs a copy of the model, in use, not in training, and without gradients.
function Summary:__init(model, input)
  self.layers = {}
  self.parameters, self.multiplyAdds = 0, 0
  self.parameterBytes, self.activationBytes = 0, 0
  local state = torch.getRNGState()
  local ok, message = pcall(function()
    local value = input_of(input, model:type())
    local copy = stand_in(model)
    run.observe(recorder(self), torch.no_grad, run.forward, copy, value)
  end)
  torch.setRNGState(state)
  if not ok then error(message, 4) end
  for _, layer in ipairs(self.layers) do layer.own = nil end
  self.bytes = self.parameterBytes + self.activationBytes
end

-- ---------------------------------------------------------------------------------------------
-- Text.

local function sizes_text(sizes)
  if sizes[1] == nil and next(sizes) == nil then return '' end
  if type(sizes[1]) == 'number' then return table.concat(sizes, 'x') end
  local keys, texts = {}, {}
  for key in pairs(sizes) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  for i, key in ipairs(keys) do texts[i] = sizes_text(sizes[key]) end
  return '{' .. table.concat(texts, ', ') .. '}'
end

-- 1234567 -> 1,234,567
local function count_text(count)
  local text = ('%.0f'):format(count)
  local head, rest = text:match('^(%d%d?%d?)((%d%d%d)*)$')
  if not head then
    head = text:sub(1, (#text - 1) % 3 + 1)
    rest = text:sub(#head + 1)
  end
  return head .. rest:gsub('%d%d%d', ',%0')
end

local function bytes_text(bytes)
  local units, i = {'bytes', 'KiB', 'MiB', 'GiB', 'TiB'}, 1
  while bytes >= 1024 and i < #units do bytes, i = bytes / 1024, i + 1 end
  return i == 1 and ('%d bytes'):format(bytes) or ('%.1f %s'):format(bytes, units[i])
end

local function row_of(layer)
  local index = layer.name:match('^{(%d+)}$')
  local name = index and ('(%s) '):format(index) or layer.name ~= '' and layer.name .. ' ' or ''
  local calls = layer.calls > 1 and (' x %d'):format(layer.calls) or ''
  return {('  '):rep(layer.depth) .. name .. layer.type .. calls, sizes_text(layer.output),
    layer.parameters > 0 and count_text(layer.parameters) or '',
    layer.multiplyAdds > 0 and count_text(layer.multiplyAdds) or ''}
end

local function aligned(rows)
  local widths, lines = {}, {}
  for _, row in ipairs(rows) do
    for c, text in ipairs(row) do widths[c] = math.max(widths[c] or 0, #text) end
  end
  for i, row in ipairs(rows) do
    local cells = {}
    for c, text in ipairs(row) do
      local gap = (' '):rep(widths[c] - #text)
      cells[c] = c <= 2 and text .. gap or gap .. text
    end
    lines[i] = table.concat(cells, '  '):gsub('%s+$', '')
  end
  return lines
end

function Summary:__tostring__()
  local rows = {{'Layer', 'Output', 'Parameters', 'Multiply-adds'}}
  for _, layer in ipairs(self.layers) do rows[#rows + 1] = row_of(layer) end
  rows[#rows + 1] = {'Total', '', count_text(self.parameters), count_text(self.multiplyAdds)}
  local lines, width = aligned(rows), 0
  for _, line in ipairs(lines) do width = math.max(width, #line) end
  local rule = ('-'):rep(width)
  table.insert(lines, 2, rule)
  table.insert(lines, #lines, rule)
  lines[#lines + 1] = ('Memory: %s of parameters + %s of results = %s'):format(
    bytes_text(self.parameterBytes), bytes_text(self.activationBytes), bytes_text(self.bytes))
  return table.concat(lines, '\n')
end

return Summary
