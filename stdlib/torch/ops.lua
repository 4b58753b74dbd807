--- torch.ops: the operation table, {name =, op =, doc =, args =, ...} of each row that scripts can
-- call. help() and the tests walk it.
return require('torch.core').describe()
