--- Reads a file of rows: a list of { name, small, setup, ours, theirs }.
return function(path)
  local rows, row = {}, nil
  for line in io.lines(path) do
    local inner = line:match('^  (.*)')
    if inner and row then
      local field = row.setup and (row.ours and 'theirs' or 'ours') or 'setup'
      row[field] = inner
    elseif line ~= '' and line:sub(1, 1) ~= '#' then
      row = { name = line:gsub('^%* ', ''), small = line:sub(1, 1) == '*' }
      rows[#rows + 1] = row
    end
  end
  return rows
end
