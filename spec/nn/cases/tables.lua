-- Modules that take or give tables.
local cases = require 'spec.support.cases'
local make, randn, positive = cases.make, cases.randn, cases.positive

local three, two = randn({3, 4}, {3, 4}, {3, 4}), randn({3, 4}, {3, 4})
local one = randn({4}, {4})

local function nested()
  return {torch.randn(2), {torch.randn(3), {torch.randn(1)}}, torch.randn(2, 2)}
end

return {
  CAddTable = {make('CAddTable'), three, single = one, batched = true},
  CSubTable = {make('CSubTable'), two, single = one, batched = true},
  CMulTable = {make('CMulTable'), three, single = one, batched = true},
  CDivTable = {make('CDivTable'), positive({3, 4}, {3, 4}), single = positive({4}, {4}),
    batched = true},
  CMaxTable = {make('CMaxTable'), three, single = one, batched = true},
  CMinTable = {make('CMinTable'), three, single = one, batched = true},
  CAddTensorTable = {make('CAddTensorTable'), randn({3, 4}, {{3, 4}, {3, 4}}), batched = true},
  JoinTable = {make('JoinTable', 1, 1), randn({3, 4}, {3, 2}), single = randn({4}, {2}),
    batched = true},
  ['JoinTable, negative'] = {make('JoinTable', -1), randn({3, 4}, {3, 2})},
  ['JoinTable, batches'] = {make('JoinTable', 1), randn({3, 4}, {2, 4})},
  SplitTable = {make('SplitTable', 1, 1), randn(3, 2), single = randn(2), batched = true},
  ['SplitTable, negative'] = {make('SplitTable', -1), randn(2, 3, 2)},
  SelectTable = {make('SelectTable', 2), three, single = one, batched = true},
  ['SelectTable, last'] = {make('SelectTable', -1), nested},
  ['SelectTable, by name'] = {make('SelectTable', 'b'), function()
    return {a = torch.randn(2), b = torch.randn(3)}
  end},
  ['SelectTable, a table'] = {make('SelectTable', 2), nested},
  NarrowTable = {make('NarrowTable', 2, 2), three, batched = true},
  ['NarrowTable, the rest'] = {make('NarrowTable', 2, -1), three},
  FlattenTable = {make('FlattenTable'), nested},
  ZipTable = {make('ZipTable'), randn({{2}, {3}}, {{1}, {2}}, {{2}, {1}})},
  ZipTableOneToMany = {make('ZipTableOneToMany'), randn({2}, {{3}, {1}})},
  MixtureTable = {make('MixtureTable'), randn({3, 2}, {{3, 4}, {3, 4}}),
    single = randn({2}, {{4}, {4}}), batched = true},
  ['MixtureTable, one tensor'] = {make('MixtureTable'), randn({3, 2}, {3, 2, 4}),
    single = randn({2}, {2, 4}), batched = true},
  ['MixtureTable, the last dimension'] = {make('MixtureTable', 3), randn({3, 2}, {3, 4, 2})},
  CriterionTable = {function() return nn.CriterionTable(nn.MSECriterion()) end, two},
  PairwiseDistance = {make('PairwiseDistance'), two, single = one},
  ['PairwiseDistance, absolute'] = {make('PairwiseDistance', 1), two, single = one},
  ['PairwiseDistance, cubes'] = {make('PairwiseDistance', 3), two},
  CosineDistance = {make('CosineDistance'), two, single = one},
  DotProduct = {make('DotProduct'), two, single = one},
  MM = {make('MM'), randn({2, 3}, {3, 4})},
  ['MM, transposed'] = {make('MM', true, true), randn({3, 2}, {4, 3})},
  ['MM, batches'] = {make('MM'), randn({2, 2, 3}, {2, 3, 2}), batched = true},
  ['MM, batches transposed'] = {make('MM', true, true), randn({2, 3, 2}, {2, 4, 3}),
    batched = true},
  MV = {make('MV'), randn({2, 3}, {3})},
  ['MV, batches'] = {make('MV'), randn({2, 2, 3}, {2, 3}), batched = true},
  ['MV, transposed'] = {make('MV', true), randn({2, 3, 2}, {2, 3}), batched = true},
}
