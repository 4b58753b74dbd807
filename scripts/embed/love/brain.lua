--- What the moths think with, and how they learn: one small policy network for all of them, trained
-- by proximal policy optimisation (Schulman et al., 2017) in slices that fit into a frame.
return function(moonlet)
  local torch, nn, optim = moonlet.torch, moonlet.nn, moonlet.optim

  local HIDDEN = 16
  local STEPS = 16           -- decisions of a moth between two rounds of learning
  local EPOCHS, BATCH = 6, 256
  local DISCOUNT, TRACE = 0.93, 0.9
  local CLIP = 0.2           -- how far a round may move the policy
  local RATE = 0.004
  local NOISE, CALM, LEAST_NOISE = 0.7, 0.985, 0.2

  local Brain = {}
  Brain.__index = Brain

  local function network(inputs, outputs)
    return nn.Sequential(nn.Linear(inputs, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, outputs))
  end

  --- A brain for `moths` bodies, each with `inputs` senses and `outputs` muscles.
  function Brain.new(moths, inputs, outputs, clock)
    local self = {moths = moths, inputs = inputs, outputs = outputs, clock = clock}
    setmetatable(self, Brain)
    self.policy, self.value = network(inputs, outputs), network(inputs, 1)
    self.policy:get(3).weight:mul(0.3) -- newborn moths have no strong opinions
    local all = {}
    for _, net in ipairs {self.policy, self.value} do
      for _, parameter in ipairs((net:parameters())) do all[#all + 1] = parameter end
    end
    self.optimizer = optim.Adam(all, {lr = RATE})
    self.noise = NOISE
    self.rounds, self.slice_cost = 0, 0
    -- What the moths go through is written here, step by step, through plain pointers.
    self.senses = torch.zeros(STEPS + 1, moths, inputs)
    self.actions = torch.zeros(STEPS, moths, outputs)
    self.rewards = torch.zeros(STEPS, moths)
    self.old = torch.zeros(STEPS, moths) -- how likely each action was
    self.values = torch.zeros(STEPS + 1, moths)
    self.step = 0
    return self
  end

  -- log p(action), up to a constant, of a Gaussian around what the policy says.
  local function log_likelihood(mean, actions, noise)
    return torch.sum((actions - mean) ^ 2, 2) * (-0.5 / noise ^ 2)
  end

  --- Where to write the senses of the moths for the next decision: a pointer to moths x inputs.
  function Brain:sense()
    return self.senses[self.step + 1]:data()
  end

  --- Decides: returns a pointer to moths x outputs.
  function Brain:act()
    return torch.no_grad(function()
      local x = self.senses[self.step + 1]
      local mean = self.policy(x)
      self.values[self.step + 1]:copy(self.value(x))
      if self.step == STEPS then return self:begin_round(mean, x) end
      return self:draw_action(mean)
    end)
  end

  function Brain:draw_action(mean)
    self.step = self.step + 1
    local action = self.actions[self.step]
    action:normal(0, self.noise):add(mean)
    self.old[self.step]:copy(log_likelihood(mean, action, self.noise))
    return action:data()
  end

  --- Where to write what the moths got for their last action: a pointer to one number each.
  function Brain:reward()
    return self.rewards[self.step]:data()
  end

  -- Advantages by generalised estimation, backwards in time; moths that were caught are put
  -- somewhere else, which counts as one bad step.
  function Brain:advantages()
    local gain, result = torch.zeros(self.moths), torch.zeros(STEPS, self.moths)
    for t = STEPS, 1, -1 do
      local surprise = self.rewards[t] + self.values[t + 1] * DISCOUNT - self.values[t]
      gain:mul(DISCOUNT * TRACE):add(surprise)
      result[t]:copy(gain)
    end
    return result
  end

  -- All steps are there: copies them for learning, and goes on at once. A round that is not
  -- finished by then is given up, so that learning never lags behind.
  function Brain:begin_round(mean, x)
    local n, advantage = STEPS * self.moths, self:advantages()
    local batch = {
      senses = self.senses:narrow(1, 1, STEPS):clone():view(n, self.inputs),
      actions = self.actions:clone():view(n, self.outputs), old = self.old:clone():view(n, 1),
      returns = (advantage + self.values:narrow(1, 1, STEPS)):view(n, 1), noise = self.noise,
    }
    batch.advantage = advantage:add(-advantage:mean()):div(advantage:std() + 1e-6):view(n, 1)
    self.round = coroutine.create(function() self:learn_from(batch, n) end)
    self.noise = math.max(LEAST_NOISE, self.noise * CALM)
    self.senses[1]:copy(x)
    self.values[1]:copy(self.values[STEPS + 1])
    self.step = 0
    return self:draw_action(mean)
  end

  function Brain:learn_from(batch, n)
    for _ = 1, EPOCHS do
      local order = torch.randperm(n):long()
      for first = 1, n, BATCH do
        local rows = order:narrow(1, first, math.min(BATCH, n - first + 1))
        local function pick(name) return batch[name]:index(1, rows) end
        local senses, advantage = pick 'senses', pick 'advantage'
        local likely = log_likelihood(self.policy(senses), pick 'actions', batch.noise)
        local ratio = torch.exp(likely - pick 'old')
        local gain = torch.cmin(torch.cmul(ratio, advantage),
          torch.cmul(torch.clamp(ratio, 1 - CLIP, 1 + CLIP), advantage))
        local miss = (self.value(senses) - pick 'returns') ^ 2
        local loss = miss:mean() * 0.5 - gain:mean()
        self.optimizer:zero_grad()
        loss:backward()
        self.optimizer:step()
        coroutine.yield()
      end
    end
    self.rounds = self.rounds + 1
  end

  --- Learns for at most `budget` seconds: another slice begins only where there is room for the
  -- longest of late. Returns the seconds it took.
  function Brain:learn(budget)
    local began = self.clock()
    local now = began
    while self.round and now - began + self.slice_cost <= budget do
      local ok, message = coroutine.resume(self.round)
      if not ok then error(message) end
      if coroutine.status(self.round) == 'dead' then self.round = nil end
      local after = self.clock()
      self.slice_cost = math.max(self.slice_cost * 0.97, after - now)
      now = after
    end
    -- One slice that was interrupted must not stop learning for ever.
    if self.slice_cost > budget then self.slice_cost = self.slice_cost * 0.9 end
    return now - began
  end

  return Brain
end
