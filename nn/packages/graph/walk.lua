--- Walks through nodes without recursion: a chain of any length may be walked.
local walk = {}

--- Depth first from `node`. seen: node -> true when done with, 'open' on the way to it; a table to
-- be used for several walks. Calls before(node) and after(node), where given. last_first: children
-- are taken from the last to the first. Returns whether the walk met a node that was open: a cycle.
function walk.down(node, seen, before, after, last_first)
  if seen[node] then return false end
  local path, at, cycle = {node}, {0}, false
  seen[node] = 'open'
  if before then before(node) end
  while #path > 0 do
    local top = #path
    local here = path[top]
    at[top] = at[top] + 1
    local place = last_first and #here.children + 1 - at[top] or at[top]
    local child = here.children[place]
    if child == nil then
      seen[here] = true
      path[top], at[top] = nil, nil
      if after then after(here) end
    elseif not seen[child] then
      seen[child] = 'open'
      path[top + 1], at[top + 1] = child, 0
      if before then before(child) end
    elseif seen[child] == 'open' then
      cycle = true
    end
  end
  return cycle
end

return walk
