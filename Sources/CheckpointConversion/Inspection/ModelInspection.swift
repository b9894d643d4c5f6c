internal import FileBytes
internal import GGUFFormat
internal import ModelDescriptions
internal import SafetensorsFormat
internal import TensorTypes
internal import ZstdStreams

/// What the headers of a model say: metadata, tensors, totals by type and role, parameters.
public struct ModelInspection: Codable, Sendable {
  /// A metadata entry as text.
  public struct Entry: Codable, Sendable {
    /// The key.
    public var key: String
    /// The GGUF value type, such as `u32` or `arr[str,151936]`.
    public var type: String
    /// The value as text.
    public var value: String
  }

  /// A tensor.
  public struct Tensor: Codable, Sendable {
    /// The name in the file.
    public var name: String
    /// The type as the format names it.
    public var type: String
    /// The shape as the format orders it: GGUF fastest dimension first, safetensors slowest first.
    public var shape: [Int]
    /// Bytes as stored.
    public var bytes: Int
    /// Where the bytes start in the (inflated) file.
    public var offset: Int
    /// The index of the file.
    public var file: Int
    /// What the tensor does in the model.
    public var role: String
  }

  /// The path given.
  public var source: String
  /// `GGUF v3` or `safetensors`.
  public var format: String
  /// The files read.
  public var files: [String]
  /// Bytes of all files.
  public var fileBytes: Int
  /// The architecture in GGUF terms; `nil` when it is not known.
  public var architecture: String?
  /// The metadata in file order.
  public var metadata: [Entry] = []
  /// The entries of the metadata that say where the file comes from (`pouch.*`).
  public var provenance: [Entry] = []
  /// The tensors in file order.
  public var tensors: [Tensor] = []
  /// The number of tensors.
  public var tensorCount = 0
  /// Bytes of all tensors.
  public var tensorBytes = 0
  /// Weights in all tensors.
  public var parameters = 0
  /// Weights that one token uses: all but the routed experts it is not sent to; `nil` when not known.
  public var activeParameters: Int?
  /// Average bits per weight.
  public var bitsPerWeight = 0.0
  /// Sums by type, largest first.
  public var byType: [PlanReport.Total] = []
  /// Sums by role, largest first.
  public var byRole: [PlanReport.Total] = []
  /// What is odd without being wrong.
  public var warnings: [String] = []

  /// Reads the headers of a GGUF file (or split set) or of a checkpoint folder.
  ///
  /// - Parameters:
  ///   - source: A file or folder.
  ///   - wholeValues: Whether arrays and long texts are printed whole.
  /// - Throws: Errors of the readers.
  package init(source: String, wholeValues: Bool) throws {
    switch FileSystem.kind(of: source) {
    case .folder: try self.init(checkpoint: source)
    case .file: try self.init(gguf: source, wholeValues: wholeValues)
    case .missing, .other: throw SourceRecognition.refusal(of: source, wanted: .model)
    }
  }

  private init(gguf path: String, wholeValues: Bool) throws {
    let set = try GGUFSplitSet(path: path, allowsForeignTypes: true)
    source = path
    format = "GGUF v\(set.files[0].version)"
    files = set.files.map(\.file.path)
    fileBytes = set.files.reduce(0) { $0 + $1.file.byteCount }
    architecture = set.value("general.architecture")?.text
    metadata = set.metadata.map {
      Entry(key: $0.key, type: $0.value.typeText, value: $0.value.text(whole: wholeValues))
    }
    provenance = metadata.filter { $0.key.hasPrefix(Provenance.prefix) }
    let purposes = set.purposes
    tensors = set.tensors.map {
      Tensor(
        name: $0.info.name, type: $0.info.type.name, shape: $0.info.ggmlShape, bytes: $0.info.byteCount,
        offset: $0.position, file: $0.shard, role: purposes[$0.info.name].role.rawValue)
    }
    let prefix = architecture ?? ""
    total(
      weightCounts: set.tensors.map(\.info.elementCount),
      expertCount: set.value(prefix + ".expert_count")?.integer,
      usedExpertCount: set.value(prefix + ".expert_used_count")?.integer)
  }

  private init(checkpoint folder: String) throws {
    let config = try ModelConfig(folder: folder)
    let checkpoint = try SafetensorsCheckpoint(folder: folder, decompressor: { try ZstdReader(path: $0) })
    source = folder
    format = "safetensors"
    files = checkpoint.shards.map(\.path)
    fileBytes = checkpoint.shards.reduce(0) { $0 + $1.storedByteCount }
    warnings = checkpoint.warnings.map(\.description)
    // Roles are those of the output tensors that a source tensor feeds.
    var roles: [Int: TensorRole] = [:]
    var experts: (count: Int, used: Int)?
    // Headers count the words of packed codes; scales and biases belong to weights, and are none.
    var weightCounts = checkpoint.tensors.map { $0.tensor.shape.reduce(1, *) }
    do {
      let map = try ModelDescription.describe(
        config: config, tensors: checkpoint.tensors.map(\.tensor),
        options: DescriptionOptions(choices: checkpoint.choices),
        evidence: ConversionPlanner.evidence(of: checkpoint))
      architecture = map.family.ggufArchitecture
      for output in map.outputs {
        guard case .feed(let feed) = output.content else { continue }
        for run in feed.runs {
          roles[run.source] = output.slot.role
          for source in [run.scale?.source, run.scale?.bias].compactMap(\.self) {
            roles[source] = output.slot.role
            weightCounts[source] = 0
          }
        }
      }
      for (index, encoding) in map.encodings where weightCounts[index] > 0 {
        let tensor = checkpoint.tensors[index]
        weightCounts[index] =
          if case .block(let type) = encoding {
            tensor.byteCount / type.blockByteCount * type.blockLength
          } else {
            encoding.valueCount(of: weightCounts[index], tensor.tensor.elementType)
          }
      }
      if let moe = map.model.experts { experts = (moe.count, moe.usedCount) }
      warnings += map.warnings + map.losses.map { "\($0.key): \($0.text)" }
    } catch let error as DescriptionError {
      warnings.append(error.fault.description)
    }
    tensors = checkpoint.tensors.enumerated().map { index, tensor in
      Tensor(
        name: tensor.tensor.name, type: tensor.tensor.elementType.rawValue, shape: tensor.tensor.shape,
        bytes: tensor.byteCount, offset: tensor.byteOffset, file: tensor.shard,
        role: (roles[index] ?? .other).rawValue)
    }
    total(weightCounts: weightCounts, expertCount: experts?.count, usedExpertCount: experts?.used)
  }

  private mutating func total(weightCounts: [Int], expertCount: Int?, usedExpertCount: Int?) {
    tensorCount = tensors.count
    var types: [String: PlanReport.Total] = [:]
    var roles: [String: PlanReport.Total] = [:]
    for (tensor, count) in zip(tensors, weightCounts) {
      tensorBytes += tensor.bytes
      parameters += count
      types[tensor.type, default: .init(name: tensor.type, tensors: 0, weights: 0, bytes: 0)]
        .add(weights: count, bytes: tensor.bytes)
      roles[tensor.role, default: .init(name: tensor.role, tensors: 0, weights: 0, bytes: 0)]
        .add(weights: count, bytes: tensor.bytes)
    }
    bitsPerWeight = parameters > 0 ? Double(tensorBytes) * 8 / Double(parameters) : 0
    byType = types.values.sorted { ($0.bytes, $1.name) > ($1.bytes, $0.name) }
    byRole = roles.values.sorted { ($0.bytes, $1.name) > ($1.bytes, $0.name) }
    let routed = roles[TensorRole.routedExperts.rawValue]?.weights ?? 0
    if let expertCount, let usedExpertCount, expertCount > 0 {
      activeParameters = parameters - routed / expertCount * (expertCount - usedExpertCount)
    } else if routed == 0 {
      activeParameters = parameters
    }
  }
}
