--- The bodies of TensorFlow Serving's REST form, https://www.tensorflow.org/tfx/serving/api_rest,
-- and what a model makes of them:
--
--   {"instances": [x1, x2, ...]}   row form: the examples of a batch, answered by
--   {"predictions": [y1, y2, ...]}
--   {"inputs": x}                  column form: the model's input as it is, answered by
--   {"outputs": y}
--
-- A model with several inputs takes an object, or one per instance, with a field for each: names
-- and order are what `signature.inputs` says. Of one input the name is optional, and may be any.
-- An instance that is a plain number is a row of one element: the model sees (count, 1).
local json = require 'serve.json'
local torch = require 'torch'

local request = {}

local is_tensor = json.is_tensor

-- Errors of the client: a table, so that those of a model can be told from them.
local function refuse(message, ...)
  error({refused = select('#', ...) > 0 and message:format(...) or message}, 0)
end

local function kind_of(value)
  if value == json.null then return 'null' end
  if is_tensor(value) then return 'an array of numbers' end
  local kind = type(value)
  if kind ~= 'table' then return 'a ' .. kind end
  return value[1] ~= nil and 'an array' or 'an object'
end

-- Where there are numbers: the tensor, of the type that the model takes.
local function to_tensor(value, signature, what)
  if type(value) == 'number' then value = torch.tensor({value}, {dtype = 'float64'}) end
  if not is_tensor(value) then
    if type(value) == 'table' and value.b64 ~= nil then
      refuse('%s: binary values (b64) are not taken', what)
    end
    refuse('%s: numbers, or arrays of them, expected, got %s', what, kind_of(value))
  end
  return signature.dtype == value:type() and value or value:type(signature.dtype)
end

-- ---------------------------------------------------------------------------------------------
-- What the model takes: a tensor, or a table of them in the order of its inputs.

local function by_name(fields, signature, what)
  local names = signature.inputs
  if #names == 1 then
    local name, value = next(fields)
    if name == nil or next(fields, name) ~= nil then
      refuse('%s: one input expected, an object with one field', what)
    end
    return {value}
  end
  local values = {}
  for i, name in ipairs(names) do
    if fields[name] == nil then refuse('%s: the input "%s" is missing', what, name) end
    values[i] = fields[name]
  end
  for name in pairs(fields) do
    local known = false
    for _, wanted in ipairs(names) do known = known or wanted == name end
    if not known then refuse('%s: there is no input "%s"', what, tostring(name)) end
  end
  return values
end

local function is_object(value)
  return type(value) == 'table' and value[1] == nil
end

local function columns(value, signature)
  if not is_object(value) or value.b64 ~= nil then
    if #signature.inputs > 1 then
      refuse('inputs: an object with the fields %s expected, got %s',
        table.concat(signature.inputs, ', '), kind_of(value))
    end
    return to_tensor(value, signature, 'inputs')
  end
  local values = by_name(value, signature, 'inputs')
  for i, item in ipairs(values) do values[i] = to_tensor(item, signature, 'inputs') end
  return #values == 1 and values[1] or values
end

-- Sizes as text: '2x3'.
local function shape(tensor)
  return table.concat(tensor:size():totable(), 'x')
end

-- One tensor of the i-th input of all instances.
local function stack(rows, i, signature)
  local list = {}
  for k, row in ipairs(rows) do
    list[k] = to_tensor(row[i], signature, ('instance %d'):format(k))
    if not list[k]:isSameSizeAs(list[1]) then
      refuse('instance %d is of size %s, the first of %s', k, shape(list[k]), shape(list[1]))
    end
  end
  return torch.stack(list, 1)
end

-- Instances as objects: {{name = value, ...}, ...}.
local function rows_by_name(instances, signature)
  local rows = {}
  for k, instance in ipairs(instances) do
    local what = ('instance %d'):format(k)
    if not is_object(instance) then
      refuse('%s: an object expected, got %s', what, kind_of(instance))
    end
    rows[k] = by_name(instance, signature, what)
  end
  local out = {}
  for i in ipairs(signature.inputs) do out[i] = stack(rows, i, signature) end
  return #out == 1 and out[1] or out, #rows
end

local function rows(value, signature)
  if is_tensor(value) and value:nElement() > 0 then
    if #signature.inputs > 1 then
      refuse('instances: objects with the fields %s expected', table.concat(signature.inputs, ', '))
    end
    local batch = to_tensor(value, signature, 'instances')
    return batch:dim() == 1 and batch:view(batch:size(1), 1) or batch, batch:size(1)
  end
  if type(value) ~= 'table' or value[1] == nil then
    refuse('instances: an array of at least one expected, got %s',
      is_tensor(value) and 'an empty one' or kind_of(value))
  end
  if not is_object(value[1]) then
    refuse('instance 1: numbers, or arrays of them, expected, got %s', kind_of(value[1]))
  end
  return rows_by_name(value, signature)
end

local function check_signature(name, signature)
  if name == nil or name == json.null or name == '' or name == signature.name then return end
  if type(name) ~= 'string' then
    refuse('signature_name: a string expected, got %s', kind_of(name))
  end
  refuse('there is no signature "%s": this model has "%s"', name, signature.name)
end

--- read(body, signature) -> input, count. count: how many instances; nil in column form. Raises a
-- table with the field `refused`, a message, for what is no such body.
function request.read(body, signature)
  if type(body) ~= 'string' or body == '' then refuse('a body of JSON expected') end
  local value, why = json.decode(body, signature.precision)
  if value == nil then refuse('no valid JSON: %s', why) end
  if not is_object(value) then refuse('an object expected, got %s', kind_of(value)) end
  check_signature(value.signature_name, signature)
  local instances, inputs = value.instances, value.inputs
  if instances ~= nil and inputs ~= nil then
    refuse('"instances" or "inputs" expected, not both')
  end
  if instances ~= nil then return rows(instances, signature) end
  if inputs ~= nil then return columns(inputs, signature), nil end
  refuse('"instances" or "inputs" expected')
end

-- ---------------------------------------------------------------------------------------------
-- What it gives.

local function name_of(signature, i)
  return signature.outputs[i] or (i == 1 and 'output' or ('output_%d'):format(i))
end

local function check_output(output, count, what)
  if not is_tensor(output) then
    error(('%s is a %s, which has no form in JSON'):format(what, torch.type(output)), 0)
  end
  if count and (output:dim() == 0 or output:size(1) ~= count) then
    error(('%d instances gave a result of size %s: this model takes no batches, or other sizes')
      :format(count, shape(output)), 0)
  end
end

-- Results of several outputs, row by row, as text: what the brackets of a batch of one hold is the
-- row, also where that is a number.
local function predictions(output, count, signature)
  local list = {}
  for k = 1, count do
    local row = {}
    for i, tensor in ipairs(output) do
      local one = json.encode(tensor:narrow(1, k, 1)):sub(2, -2)
      row[i] = ('%s:%s'):format(json.encode(name_of(signature, i)), one)
    end
    list[k] = '{' .. table.concat(row, ',') .. '}'
  end
  return '[' .. table.concat(list, ',') .. ']'
end

--- write(output, count, signature) -> body.
function request.write(output, count, signature)
  if type(output) ~= 'table' then
    check_output(output, count, 'the result')
    return ('{"%s":%s}'):format(count and 'predictions' or 'outputs', json.encode(output))
  end
  local fields = {}
  for i, tensor in ipairs(output) do
    check_output(tensor, count, ('result %d'):format(i))
    fields[name_of(signature, i)] = tensor
  end
  if count then return ('{"predictions":%s}'):format(predictions(output, count, signature)) end
  return json.encode{outputs = fields}
end

return request
