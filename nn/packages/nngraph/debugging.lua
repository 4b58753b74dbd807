--- nngraph.setDebug(true): a gModule that fails draws its graph, the node that failed in red.
local debugging = {on = false}

function debugging.set(on)
  debugging.on = on and true or false
end

--- Draws the graph of a gModule in which `data`'s node failed; returns the name of the file.
function debugging.draw(net, data)
  for _, node in ipairs(net.fg.nodes) do node.marked = node.data == data end
  local name = os.tmpname()
  local drawn, what = require('graph').dot(net.fg, net.name or 'nngraph', name)
  return drawn and what or name .. '.dot'
end

return debugging
