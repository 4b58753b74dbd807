--- Sample calls of recurrent layers: entries are as spec/support/samples.lua says.

return function(explicit, tools)
  local long = tools.long

  -- (time, batch, in), the states, the weights; `states` of them, for so many gates.
  local function layers(gates, states, more)
    local function sizes(time, batch, n, hidden, biases)
      local list = {{time, batch, n}}
      for _ = 1, states do list[#list + 1] = {batch, hidden} end
      list[#list + 1], list[#list + 2] = {gates * hidden, n}, {gates * hidden, hidden}
      for _ = 1, biases and 2 or 0 do list[#list + 1] = {gates * hidden} end
      return list
    end
    local plain, single = sizes(3, 2, 2, 3, true), sizes(1, 1, 2, 2, false)
    local packed, reverse = sizes(4, 3, 1, 2, true), sizes(5, 2, 2, 2, true)
    local count = 1 + states + 4
    local unpack = table.unpack or unpack
    packed.args = function(...)
      local args = {...}
      args[count + 1] = long(4, 1, 3)
      return unpack(args, 1, count + 1)
    end
    reverse.args = function(...)
      local args = {...}
      args[count + 1], args[count + 2], args[count + 3] = long(5, 2), true, more
      return unpack(args, 1, more and count + 3 or count + 2)
    end
    return {plain, single, packed, reverse}
  end

  explicit.lstm_layer = layers(4, 2)
  explicit.gru_layer = layers(3, 1)
  explicit.rnn_layer = layers(1, 1, 'relu')
end
