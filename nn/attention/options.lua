--- Options of a constructor, by name.
local options = {}

--- A table of `defaults` and what of them is given otherwise; `who` may have no other options. A
-- default of the table `unset` stands for nil.
options.unset = {}

function options.read(who, given, defaults)
  if given ~= nil and type(given) ~= 'table' then
    error(('%s: a table of options expected, got %s'):format(who, type(given)), 0)
  end
  local result = {}
  for name, value in pairs(defaults) do
    if value ~= options.unset then result[name] = value end
  end
  for name, value in pairs(given or {}) do
    if defaults[name] == nil then
      local names = {}
      for known in pairs(defaults) do names[#names + 1] = known end
      table.sort(names)
      error(('%s: no option %s; there are %s'):format(who, tostring(name),
        table.concat(names, ', ')), 0)
    end
    result[name] = value
  end
  return result
end

return options
