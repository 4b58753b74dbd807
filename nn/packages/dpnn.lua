--- The methods that Torch7's dpnn gives to each module.
local dpnn = {}

return dpnn
