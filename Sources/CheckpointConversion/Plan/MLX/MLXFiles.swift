internal import FileBytes
internal import ModelDescriptions
internal import SafetensorsFormat
internal import TensorTypes

/// The files of a folder for MLX: which tensors are in which, and where.
struct MLXFiles {
  /// Files that are copied where a checkpoint has them: tokenizer, chat template, settings of generation.
  static let copied: [String] = [
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json",
    "merges.txt", "tokenizer.model", "chat_template.jinja", "chat_template.json", "generation_config.json",
  ]
  /// No file beside the weights is larger.
  static let largestCompanion = 256 << 20

  /// A tensor of a file: the values or codes of a planned one, its scales or its biases.
  private struct Entry {
    /// The index of the planned tensor.
    var tensor: Int
    /// The number of the part.
    var part: Int
    var header: SourceTensor
    var byteCount: Int { header.shape.reduce(header.elementType.bitCount, *) / 8 }
  }

  /// Puts the tensors of a plan into files.
  ///
  /// Files are filled in the order of the tensors, as mlx-lm fills them: a new one starts when the next tensor would make
  /// the last one too large. Within a file, types with more bits come first, so that every tensor lies at a multiple of
  /// its element's size.
  ///
  /// - Parameters:
  ///   - plan: The plan; files and places are set.
  ///   - shapes: The row-major shape of each tensor before it is quantized.
  ///   - folder: The path of the folder.
  ///   - limit: The most bytes of tensors in a file.
  /// - Returns: The document that says which tensor is where.
  /// - Throws: `SafetensorsError` for tensors that no header can describe.
  static func layOut(_ plan: inout ConversionPlan, shapes: [[Int]], folder: String, limit: Int) throws
    -> JSONValue
  {
    let entries = plan.tensors.indices.flatMap {
      Self.entries(of: plan.tensors[$0], index: $0, shape: shapes[$0])
    }
    var shards: [[Entry]] = []
    var size = 0
    for entry in entries {
      if shards.isEmpty || size + entry.byteCount > limit {
        shards.append([])
        size = 0
      }
      shards[shards.count - 1].append(entry)
      size += entry.byteCount
    }
    var weightMap: [String: JSONValue] = [:]
    for (number, shard) in shards.enumerated() {
      let name =
        shards.count == 1
        ? "model.safetensors" : SafetensorsIndex.shardName(number + 1, of: shards.count)
      let ordered = shard.enumerated().sorted {
        let (a, b) = ($0.element.header.elementType.bitCount, $1.element.header.elementType.bitCount)
        return a == b ? $0.offset < $1.offset : a > b
      }.map(\.element)
      let header = try SafetensorsWriter.header(ordered.map(\.header), metadata: ["format": "mlx"])
      var offset = header.count
      for entry in ordered {
        plan.setPlace(of: entry.tensor, part: entry.part, file: number, offset: offset)
        offset += entry.byteCount
        weightMap[entry.header.name] = .string(name)
      }
      plan.files.append(
        PlannedFile(path: folder + "/" + name, header: header, byteCount: offset, folder: folder))
    }
    return .object([
      "metadata": .object([
        "total_size": .integer(entries.reduce(0) { $0 + $1.byteCount }),
        "total_parameters": .integer(parameterCount(plan)),
      ]),
      "weight_map": .object(weightMap),
    ])
  }

  private static func entries(of tensor: PlannedTensor, index: Int, shape: [Int]) -> [Entry] {
    let type = tensor.type.floatElement ?? .f32
    guard let groups = tensor.groups else {
      return [
        Entry(tensor: index, part: 0, header: .init(name: tensor.name, elementType: type, shape: shape))
      ]
    }
    func entry(_ part: Int, _ name: String, _ type: ElementType, length: Int) -> Entry {
      Entry(
        tensor: index, part: part,
        header: .init(name: name, elementType: type, shape: shape.dropLast() + [length]))
    }
    let module = MLXFiles.module(of: tensor.name)
    let count = groups.groupCount(rowLength: tensor.rowLength)
    let scaleType = groups.scaleType(weights: type)
    return [
      entry(0, tensor.name, .u32, length: groups.codeByteCount(rowLength: tensor.rowLength) / 4),
      entry(1, module + ".scales", scaleType, length: count),
    ] + (groups.hasBiases ? [entry(2, module + ".biases", scaleType, length: count)] : [])
  }

  /// The name of the module whose weight a tensor is.
  static func module(of name: String) -> String {
    name.hasSuffix(".weight") ? String(name.dropLast(".weight".count)) : name
  }

  /// mlx-lm's count of parameters: that of modules without modules in them, which those of delta nets are not.
  private static func parameterCount(_ plan: ConversionPlan) -> Int {
    plan.tensors.reduce(0) {
      [.decay, .stepBias].contains($1.purpose.slot) ? $0 : $0 + $1.elementCount
    }
  }
}

extension ConversionPlan {
  fileprivate mutating func setPlace(of tensor: Int, part: Int, file: Int, offset: Int) {
    if part == 0 {
      tensors[tensor].file = file
      tensors[tensor].offset = offset
    } else {
      tensors[tensor].groupParts[part - 1].file = file
      tensors[tensor].groupParts[part - 1].offset = offset
    }
  }
}
