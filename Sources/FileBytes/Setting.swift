/// What a caller can set, as messages name it.
///
/// Every case has a phrase in the words of the library as its raw value, which stands in the middle of sentences (see
/// ``Wording``); commands write their flags instead.
public enum Setting: String, Hashable, Sendable, CaseIterable {
  // MARK: Outputs and runs

  /// Whether outputs that exist are replaced.
  case overwrites = "permission to overwrite"
  /// Whether notices and losses are errors.
  case strict = "strict checks"
  /// The part of the work that a run does.
  case part = "parts"
  /// Whether finished parts are made one output.
  case join = "joining"
  /// The file that a killed run is gone on with.
  case resume = "resuming"
  /// How many threads work.
  case threads = "the number of threads"
  /// The most memory for buffers or models.
  case maxMemory = "the memory limit"
  /// The path of the output.
  case outputName = "the output's name"
  /// The folder of the outputs.
  case outputFolder = "output folder"
  /// The most bytes of one file of a split output.
  case splitMaxByteCount = "the largest size of a file"
  /// Whether the output is split as the source is.
  case keepSplit = "keeping the split"
  /// The Modelfile for Ollama that is written beside the output.
  case modelfile = "the Modelfile"

  // MARK: Types of tensors

  /// The type or mix of the output.
  case outputType = "the output type"
  /// Types by patterns of tensor names.
  case tensorTypeRules = "tensor types"
  /// The type of the token embedding.
  case tokenEmbeddingType = "the type of the token embedding"
  /// The type of the output tensor.
  case outputTensorType = "the type of the output tensor"
  /// Whether the output tensor keeps its type.
  case leaveOutputTensor = "leaving the output tensor as it is"
  /// Types by role, in outputs for MLX.
  case typeOverrides = "type overrides"
  /// Whether quantized sources are quantized once more.
  case allowRequantize = "permission to requantize"
  /// The recipe of types.
  case recipe = "the recipe"
  /// The stock mix of types that memory is estimated for.
  case mix = "the mix"
  /// The importance matrix.
  case importanceMatrix = "importance data"
  /// The only weights whose importance data are used.
  case includeWeights = "included weights"
  /// Weights whose importance data are not used.
  case excludeWeights = "excluded weights"
  /// What is done about experts without importance data.
  case blindExperts = "blind experts"

  // MARK: Models

  /// Values of keys that replace those of the source.
  case overrides = "key overrides"
  /// Layers that are left out.
  case prunedLayers = "pruned layers"
  /// Whether the next-token block is required.
  case nextTokenBlock = "the next-token block"
  /// Whether the next-token block is left out.
  case trunkAlone = "a conversion of the trunk alone"
  /// Whether the vision tower is converted, in place of the language model.
  case visionTower = "the vision tower"
  /// The rule that splits text before tokens are made of it.
  case preTokenizer = "the splitting rule"
  /// Whether a model from the Hub stays in the cache.
  case keepsSource = "keeping the model"
  /// Whether a model from the Hub is compared with the hashes that the Hub states.
  case verifiesSource = "verifying the source"

  // MARK: Memory

  /// A known machine.
  case machine = "the machine"
  /// The machine's memory.
  case machineMemory = "the machine's memory"
  /// The memory that the system keeps.
  case reserve = "the reserve"
  /// Whether the names of known models are listed.
  case modelNames = "the list of known models"
  /// The tokens of a context or window.
  case contextLength = "the context length"
  /// The tokens of a batch.
  case batchLength = "the batch length"
  /// The tokens computed at once.
  case microBatchLength = "the micro-batch length"
  /// The sequences in a cache.
  case sequenceCount = "the number of sequences"
  /// The type of cached keys.
  case keyType = "key cache type"
  /// The type of cached values.
  case valueType = "value cache type"
  /// Whether attention is computed without its whole matrix.
  case flashAttention = "flash attention"
  /// Whether caches keep what sliding windows no longer reach.
  case keepsFullWindows = "full windows"
  /// The memory that a measurement would have.
  case measuringMemory = "the memory for measuring"

  // MARK: Measuring and tuning

  /// The text that is measured.
  case text = "the text"
  /// The tokens of a window in estimates and tuning.
  case windowLength = "window length"
  /// How many windows are measured.
  case windowCount = "windows"
  /// The file of base probabilities.
  case baseProbabilities = "base probabilities"
  /// Whether the divergence from base probabilities is measured.
  case divergence = "the divergence"
  /// The types that a mix is chosen from.
  case candidateTypes = "the types to choose from"
  /// The least types by role.
  case leastTypes = "least types"
  /// Roles whose tensors all have one type.
  case uniformRoles = "uniform roles"
  /// The budget as the size of the file.
  case targetSize = "the size to reach"
  /// The budget as bits per weight.
  case targetBitsPerWeight = "the bits per weight to reach"
  /// The budget as the memory of a machine.
  case targetMemory = "the memory to fit"
  /// The budget as the divergence.
  case targetDivergence = "the divergence to reach"
  /// The table of sensitivities that is used in place of a measurement.
  case sensitivityTable = "the sensitivity table"

  // MARK: Drawings

  /// How products are computed.
  case mode = "the mode"
  /// The most tokens of an answer.
  case tokenLimit = "the limit of tokens"
  /// The most prompts of a file.
  case promptLimit = "the limit of prompts"
  /// How many answers are drawn by chance.
  case sampleCount = "samples"
  /// The temperature of these.
  case temperature = "the temperature"
  /// The seed of these.
  case seed = "the seed"
  /// Whether prompts are given without the chat template.
  case rawPrompts = "raw prompts"
  /// Answers of the base that were drawn before.
  case baseAnswers = "given answers of the base"
  /// Whether the base is not drawn a second time.
  case noNoiseFloor = "no noise floor"
  /// Drawings of other programs.
  case includedDrawings = "a folder of drawings"

  // MARK: Checks and cards

  /// The source that a file is compared with.
  case source = "the source to compare with"
  /// The manifest that a file is compared with.
  case manifest = "the manifest"
  /// How many tensors are compared with the source.
  case sampleTensors = "the sample"
  /// The path of a card.
  case cardName = "the card's name"
  /// The repository of the base model that a card names.
  case baseModel = "the base model"
  /// The checkpoint that files of a card were made of.
  case checkpoint = "the checkpoint"
}

extension Setting: CustomStringConvertible {
  /// The phrase that names it in the library's words.
  public var description: String { rawValue }
}
