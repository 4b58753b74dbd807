--- Writes numbers, such as the losses of epochs, to a file as they come: a line for each time, a
-- column for each number; and plots them where gnuplot is there.
local torch = require 'torch'

local package = {}
local Logger = torch.class('optim.Logger', package)

--- filename: where to write; nothing for the standard output. timestamp: true to add the time to
-- the file's name, so that no two runs share one.
function Logger:__init(filename, timestamp)
  self.names, self.symbols, self.styles = {}, {}, {}
  self.idx, self.empty, self.defaultStyle = {}, true, '+'
  self.logscale, self.showPlot = false, true
  if not filename then
    self.name, self.file = 'stdout', io.stdout
    return
  end
  self.name = filename
  if timestamp then filename = filename .. '-' .. os.date('%Y_%m_%d_%H:%M:%S') end
  local file, message = io.open(filename, 'w')
  if not file then error('optim.Logger: cannot write ' .. message, 3) end
  self.file, self.filename = file, filename
end

local function write_names(self, names)
  self.empty = false
  for k, name in ipairs(names) do
    self.names[k], self.idx[name] = tostring(name), k
    self.symbols[k] = self.symbols[k] or {}
    self.styles[k] = self.styles[k] or {self.defaultStyle}
    self.file:write(tostring(name), '\t')
  end
  self.file:write('\n')
  self.file:flush()
end

--- The names of the columns, as the first line. Returns the logger.
function Logger:setNames(names)
  if type(names) ~= 'table' then
    error('optim.Logger: setNames: a table of names expected, got ' .. type(names), 2)
  end
  write_names(self, names)
  return self
end

-- A table by names, {loss = 1}, as a list, and its names in alphabetical order where it is the
-- first one.
local function as_list(self, symbols)
  local by_name = {}
  for key in pairs(symbols) do
    if type(key) == 'string' then by_name[#by_name + 1] = key end
  end
  if #by_name == 0 then return symbols end
  table.sort(by_name)
  if self.empty then write_names(self, by_name) end
  local list = {}
  for _, key in ipairs(by_name) do
    if not self.idx[key] then
      error(("optim.Logger: add: no column is called '%s'"):format(key), 3)
    end
    list[self.idx[key]] = symbols[key]
  end
  return list
end

--- One line: add{0.5, 0.1}, in the order of the columns, or add{loss = 0.5}. Returns the logger.
function Logger:add(symbols)
  if type(symbols) ~= 'table' then
    error('optim.Logger: add: a table expected, got ' .. type(symbols), 2)
  end
  symbols = as_list(self, symbols)
  if self.empty then
    local numbers = {}
    for k = 1, #symbols do numbers[k] = k end
    write_names(self, numbers)
  end
  for k = 1, #self.names do
    local value = symbols[k]
    if torch.isTensor(value) and value:nElement() == 1 then value = value:item() end
    if type(value) ~= 'number' and type(value) ~= 'string' then
      error(('optim.Logger: add: column %d: a number or a string expected, got %s'):format(k,
        torch.type(value)), 2)
    end
    self.file:write(type(value) == 'number' and ('%11.4e'):format(value) or value, '\t')
    table.insert(self.symbols[k], value)
  end
  self.file:write('\n')
  self.file:flush()
  return self
end

--- style{'-', '+'}: how each column is drawn, in gnuplot's words; one word for all. Returns the
-- logger.
function Logger:style(styles)
  for k = 1, math.max(#self.names, type(styles) == 'table' and #styles or 1) do
    local style = type(styles) == 'table' and styles[k] or styles
    if type(style) == 'string' then style = {style} end
    self.styles[k] = style
  end
  return self
end

--- true for a logarithmic axis.
function Logger:setlogscale(state)
  self.logscale = state ~= false
end

--- Whether plot shows a window.
function Logger:display(state)
  self.showPlot = state ~= false
end

-- Curves in the form that gnuplot.plot takes.
local function curves(self)
  local list = {}
  for k, name in ipairs(self.names) do
    local values = {}
    for _, value in ipairs(self.symbols[k]) do
      if type(value) == 'number' then values[#values + 1] = value end
    end
    if #values > 0 then
      list[#list + 1] = {name, torch.Tensor(values), (self.styles[k] or {self.defaultStyle})[1]}
    end
  end
  return list
end

--- Draws all columns over the number of the line. Without gnuplot it says so, once.
function Logger:plot()
  local found, gnuplot = pcall(require, 'gnuplot')
  if not found then
    if not self.warned then io.stderr:write('optim.Logger: there is no gnuplot to plot with\n') end
    self.warned = true
    return
  end
  local list = curves(self)
  if #list == 0 then return end
  if self.filename then
    gnuplot.epsfigure(self.filename .. '.eps')
    gnuplot.plot(list)
    if self.logscale then gnuplot.logscale('on') end
    gnuplot.plotflush()
  end
  if self.showPlot then
    self.figure = gnuplot.figure(self.figure)
    gnuplot.plot(list)
    if self.logscale then gnuplot.logscale('on') end
  end
end

return package
