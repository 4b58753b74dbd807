--- The network: it reads the last 16 letters and says which one is likely to come next. Knows
-- nothing of the editor.
return function(moonlet)
  local torch, nn, optim = moonlet.torch, moonlet.nn, moonlet.optim

  local CONTEXT, BATCH = 16, 64
  local EMBEDDING, HIDDEN = 12, 96
  local RATE, LAST_RATE = 0.005, 0.0005
  local UNKNOWN, START = 1, 2 -- a letter that was not in the text; what stands before the text

  local Model = {}
  Model.__index = Model

  -- byte -> class, for the bytes of the text.
  local function classes_of(text)
    local classes, count = {}, START
    for i = 1, #text do
      local byte = text:byte(i)
      if not classes[byte] then
        count = count + 1
        classes[byte] = count
      end
    end
    return classes, count
  end

  --- A model for a text, which has not learned anything yet.
  function Model.new(text, seed)
    if seed then torch.manualSeed(seed) end
    local self = setmetatable({steps = 0}, Model)
    local count
    self.classes, count = classes_of(text)
    self.net = nn.Sequential(nn.LookupTable(count, EMBEDDING), nn.View(-1, CONTEXT * EMBEDDING),
      nn.Linear(CONTEXT * EMBEDDING, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, count))
    self.criterion = nn.CrossEntropyCriterion()
    self.optimizer = optim.Adam(self.net:parameters(), {lr = RATE})
    self.letters = torch.LongTensor(self:encode(text))
    -- Window i of the text is what comes before its letter i.
    self.windows = self.letters:unfold(1, CONTEXT, 1)
    self.positions = #text
    return self
  end

  -- The classes of a text, after as many starts as fill the first window.
  function Model:encode(text)
    local list = {}
    for i = 1, CONTEXT do list[i] = START end
    for i = 1, #text do list[CONTEXT + i] = self.classes[text:byte(i)] or UNKNOWN end
    return list
  end

  --- One step of learning, on letters drawn from the text. progress: 0 to 1, how much of the
  -- learning is over. Returns the loss in bits for each letter.
  function Model:learn(progress)
    local at = torch.LongTensor(BATCH):random(1, self.positions)
    local scores = self.net(self.windows:index(1, at))
    local loss = self.criterion(scores, self.letters:index(1, at + CONTEXT))
    self.optimizer.options.lr = RATE * (LAST_RATE / RATE) ^ progress
    self.optimizer:zero_grad()
    loss:backward()
    self.optimizer:step()
    self.steps = self.steps + 1
    return loss:item() / math.log(2)
  end

  --- How likely each of the words is after the text `before`: a list of logarithms, one for each.
  -- Every letter of every word is a row of one batch. `ending` closes words, as a space would.
  function Model:score(before, words, ending)
    local rows, owners = {}, {}
    local first = self:encode(before)
    for w, word in ipairs(words) do
      local list = {}
      for i = 1, CONTEXT do list[i] = first[#first - CONTEXT + i] end
      local letters = self:encode(word .. ending)
      for i = CONTEXT + 1, #letters do
        local window = {}
        for k = 1, CONTEXT do window[k] = list[#list - CONTEXT + k] end
        rows[#rows + 1], owners[#rows + 1] = window, {w, letters[i]}
        list[#list + 1] = letters[i]
      end
    end
    local scores = {}
    for w = 1, #words do scores[w] = 0 end
    torch.no_grad(function()
      local likely = nn.LogSoftMax()(self.net(torch.LongTensor(rows)))
      for r, owner in ipairs(owners) do
        scores[owner[1]] = scores[owner[1]] + likely[r][owner[2]]
      end
    end)
    return scores
  end

  return Model
end
