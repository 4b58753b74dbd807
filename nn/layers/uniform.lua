--- How most of Torch7's layers draw their parameters.

--- Uniform numbers within `bound`, or of the standard deviation `stdv` where that is given.
return function(stdv, bound, ...)
  if stdv then bound = stdv * math.sqrt(3) end
  for _, tensor in ipairs {...} do tensor:uniform(-bound, bound) end
end
