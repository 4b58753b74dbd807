--- The names of Torch7's library of modules, by kind. names_spec.lua walks them. Facts of section 5
-- of the compatibility manifest.
local names = {}

-- Classes; each has a case in spec/nn/cases, but the bases.
names.classes = {
  bases = [[ Module Container Criterion ]],
  containers = [[ Sequential Concat DepthConcat Parallel ConcatTable ParallelTable MapTable Bottle
    Decorator DontCast NaN Profile WeightNorm GPU Convert ]],
  simple = [[ Linear LinearWeightNorm Bilinear PartialLinear SparseLinear IndexLinear LookupTable
    Add AddConstant Mul MulConstant CAdd CMul Constant Cosine Euclidean WeightedEuclidean Identity
    Contiguous Copy Dropout SpatialDropout VolumetricDropout WhiteNoise GradientReversal Replicate
    Reshape View Select Narrow Index MaskedSelect Squeeze Unsqueeze Transpose Collapse Padding
    PixelShuffle OneHot Max Min Sum Mean Normalize Kmeans ZeroGrad L1Penalty Abs Exp Log
    Power Square Sqrt Clamp BatchNormalization LayerNormalization Maxout ]],
  transfer = [[ Sigmoid Tanh TanhShrink ReLU ReLU6 PReLU CReLU LeakyReLU RReLU ELU HardTanh
    HardShrink SoftShrink SoftPlus SoftSign SoftMax SoftMin LogSoftMax LogSigmoid SpatialSoftMax
    SpatialLogSoftMax Threshold GatedLinearUnit ]],
  tables = [[ CAddTable CSubTable CMulTable CDivTable CMaxTable CMinTable CAddTensorTable JoinTable
    SplitTable SelectTable NarrowTable FlattenTable ZipTable ZipTableOneToMany MixtureTable
    CriterionTable PairwiseDistance CosineDistance DotProduct MM MV ]],
  convolutions = [[ SpatialConvolution SpatialConvolutionMM SpatialConvolutionLocal
    SpatialConvolutionMap SpatialDilatedConvolution SpatialDepthWiseConvolution
    SpatialFullConvolution SpatialFullConvolutionMap TemporalConvolution TemporalRowConvolution
    TemporalSubSampling SpatialSubSampling VolumetricConvolution VolumetricDilatedConvolution
    VolumetricFullConvolution ]],
  pooling = [[ SpatialMaxPooling SpatialDilatedMaxPooling SpatialAveragePooling
    SpatialAdaptiveMaxPooling SpatialAdaptiveAveragePooling SpatialFractionalMaxPooling
    SpatialLPPooling SpatialMaxUnpooling FeatureLPPooling TemporalMaxPooling
    TemporalDynamicKMaxPooling VolumetricMaxPooling VolumetricDilatedMaxPooling
    VolumetricAveragePooling VolumetricFractionalMaxPooling VolumetricMaxUnpooling ]],
  padding_and_resizing = [[ SpatialZeroPadding SpatialReflectionPadding SpatialReplicationPadding
    VolumetricReplicationPadding SpatialUpSamplingNearest SpatialUpSamplingBilinear UpSampling ]],
  normalization = [[ SpatialBatchNormalization VolumetricBatchNormalization
    SpatialSubtractiveNormalization SpatialDivisiveNormalization SpatialContrastiveNormalization
    SpatialCrossMapLRN ]],
  criterions = [[ MSECriterion AbsCriterion SmoothL1Criterion DistanceRatioCriterion
    SpatialAutoCropMSECriterion WeightedMSECriterion ClassNLLCriterion SpatialClassNLLCriterion
    CrossEntropyCriterion ClassSimplexCriterion BCECriterion DistKLDivCriterion MarginCriterion
    SoftMarginCriterion HingeEmbeddingCriterion L1HingeEmbeddingCriterion CosineEmbeddingCriterion
    MarginRankingCriterion MultiMarginCriterion MultiLabelMarginCriterion
    MultiLabelSoftMarginCriterion L1Cost MultiCriterion ParallelCriterion ModuleCriterion ]],
}

-- Classes without a case: neither a module nor a criterion, or one that prints.
names.others = [[ StochasticGradient PrintSize ]]

-- Functions in tables, and functions.
names.functions = {
  Jacobian = [[ backward backwardUpdate forward forwardUpdate backwardDiagHessian
    linearModuleDiagHessian testJacobian testJacobianParameters testJacobianUpdateParameters
    testDiagHessian testDiagHessianInput testDiagHessianWeight testDiagHessianBias testIO
    testAllUpdate ]],
  SparseJacobian = [[ backward backwardUpdate forward forwardUpdate testJacobian
    testJacobianParameters testJacobianUpdateParameters testIO testAllUpdate ]],
  hessian = [[ enable ]],
  utils = [[ recursiveType recursiveResizeAs recursiveFill recursiveAdd recursiveCopy
    addSingletonDimension contiguousView clear ]],
  tables = [[ full oneToOne random ]],
  init = [[ xavier_uniform xavier_normal kaiming_uniform kaiming_normal orthogonal normal uniform
    constant sparse eye dirac trunc_normal calculate_gain ]],
}
names.calls = [[ test testTHNN ]]

-- Methods.
names.methods = {
  Module = [[ forward backward updateOutput updateGradInput accGradParameters
    accUpdateGradParameters defaultAccUpdateGradParameters sharedAccUpdateGradParameters
    backwardUpdate zeroGradParameters updateParameters parameters getParameters training evaluate
    share clone type float double half cuda reset read write apply replace findModules listModules
    clearState flatten __call__ summary ]],
  Container = [[ add insert remove get size applyToModules rethrowErrors ]],
  Criterion = [[ forward updateOutput backward updateGradInput clone type float double cuda cudaHalf
    cudaDouble __call__ ]],
}

--- The words of a text.
function names.of(text)
  local list = {}
  for name in text:gmatch('%S+') do list[#list + 1] = name end
  return list
end

return names
