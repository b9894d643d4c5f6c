package import FileBytes
package import ModelDescriptions
package import QuantRecipes
package import TensorTypes

/// Everything that will be in the output, computed from headers alone.
///
/// The plan knows every name, shape, type and byte offset of the output and, for
/// each tensor, which source rows feed it. Executing it, printing it, pricing it
/// and resuming it are uses of this one value.
package struct ConversionPlan: Sendable {
  /// The files that are read.
  package var sourceFiles: [PlannedSourceFile]
  /// The tensors that are read; `TensorFeed` runs refer to these by index.
  package var sources: [PlannedSource]
  /// The tensors that are written, in file order.
  package var tensors: [PlannedTensor]
  /// The files that are written: one, or the shards of a split model.
  package var files: [PlannedFile]
  /// The architecture string of the output.
  package var architecture: String
  /// The layers of the model and what they are made of; `nil` for GGUF sources of architectures that are not known.
  package var model: Architecture?
  /// The stock mix that chose the types.
  package var mix: StockMix
  /// The recipe that chose the types in the stock mix's place; `nil` without one.
  package var recipe: Recipe?
  /// What the rules of mixes know of the model beside its tensors.
  package var facts: MixModelFacts?
  /// What each rule did.
  package var rules: [RuleReport] = []
  /// The type that weights pass through before quantization, as the 16-bit file of a two-step conversion has it.
  package var intermediate: TensorType
  /// What was left out of the output, with the reason.
  package var skipped: [SkippedTensor]
  /// The importance data in use; `nil` without any.
  package var importance: PlannedImportance?
  /// What the user should know: fallbacks, odd totals, experts without data; errors under `--strict`.
  package var notices: [Notice]
  /// What the user should know although nothing is odd, such as where the output goes; no matter for `--strict`.
  package var remarks: [String] = []
  /// What would be the better file; no matter for `--strict`.
  package var advice: [String] = []
  /// The folder that the output is; `nil` for outputs that are files by themselves.
  package var folder: PlannedFolder?

  /// A source tensor that does not become part of the output.
  package struct SkippedTensor: Hashable, Sendable {
    /// Its name in the source.
    package var name: String
    /// Why it is not needed.
    package var reason: String
  }

  /// Something worth saying that is no error by default.
  package struct Notice: Hashable, Sendable {
    /// What it is about: a tensor, a file, a setting.
    package var subject: Wording
    /// The sentence to print.
    package var text: Wording

    /// Subject and sentence.
    package var line: Wording { "\(subject): \(text)" }

    init(subject: Wording, text: Wording) {
      self.subject = subject
      self.text = text
    }

    /// Generic and disfavored so that literals, which may name settings, are wordings.
    @_disfavoredOverload
    init<Text: StringProtocol>(subject: Text, text: Text) {
      self.init(subject: Wording(String(subject)), text: Wording(String(text)))
    }
  }

  /// The name of the recipe, or of the stock mix without one; of the format in an output for MLX.
  package var mixName: String { folder?.formatName ?? recipe?.name ?? mix.rawValue }
  /// The path of the output: a folder, or a file, the first one where there are several.
  package var path: String { folder?.path ?? files.first?.path ?? "" }
  /// Bytes of all tensors as stored, padding excluded.
  package var tensorByteCount: Int { tensors.reduce(0) { $0 + $1.byteCount } }
  /// Bytes of all output files.
  package var fileByteCount: Int { files.reduce(0) { $0 + $1.byteCount } }
  /// Average bits per weight of the tensors.
  package var bitsPerWeight: Double {
    weightCount > 0 ? Double(tensorByteCount) * 8 / Double(weightCount) : 0
  }
  /// Weights in all tensors.
  package var weightCount: Int { tensors.reduce(0) { $0 + $1.elementCount } }
  /// Bytes that the same tensors take before quantization.
  package var sourceByteCount: Int { tensors.reduce(0) { $0 + $1.sourceByteCount } }
  /// Bytes of files that are read: tensors in use and their scales as they are stored, compressed files as a whole.
  package var readByteCount: Int {
    var used: Set<Int> = []
    for tensor in tensors {
      guard case .feed(let feed) = tensor.content else { continue }
      for run in feed.runs {
        used.insert(run.source)
        if let scale = run.scale {
          used.formUnion([scale.source, scale.bias, scale.common?.source].compactMap(\.self))
        }
      }
    }
    var files: Set<Int> = []
    return used.reduce(0) { sum, index in
      let source = sources[index]
      guard sourceFiles.indices.contains(source.file), sourceFiles[source.file].isCompressed,
        sourceFiles[source.file].byteCount > 0
      else { return sum + source.encoding.byteCount(ofElements: source.elementCount) }
      return sum + (files.insert(source.file).inserted ? sourceFiles[source.file].byteCount : 0)
    }
  }
}

/// A file that is read.
package struct PlannedSourceFile: Hashable, Sendable {
  /// Its path.
  package var path: String
  /// Its size on disk in bytes.
  package var byteCount: Int
  /// Its modification time in nanoseconds since 1970.
  package var modificationTime: Int64
  /// A hash of its header.
  package var headerHash: UInt64
  /// Whether it is a zstd stream, which is read front to back.
  package var isCompressed: Bool
}

/// A tensor that is read.
package struct PlannedSource: Hashable, Sendable {
  /// Its name in the source.
  package var name: String
  /// How its bytes encode values.
  package var encoding: SourceEncoding
  /// The number of values.
  package var elementCount: Int
  /// The index of its file.
  package var file: Int
  /// Where its bytes start in the (inflated) file.
  package var offset: Int
}

extension PlannedSource {
  /// A tensor of a checkpoint, read as the description of the checkpoint says.
  init(_ index: Int, _ tensor: SourceTensor, map: TensorMapping, file: Int, offset: Int) {
    let encoding = map.encoding(of: index, tensor)
    self.init(
      name: tensor.name, encoding: encoding,
      elementCount: encoding.valueCount(of: tensor.shape.reduce(1, *), tensor.elementType), file: file,
      offset: offset)
  }
}

/// A tensor that is written.
package struct PlannedTensor: Hashable, Sendable {
  /// The GGUF name.
  package var name: String
  /// The shape, fastest dimension first.
  package var ggmlShape: [Int]
  /// What it is for; its block is that of the source, also after layers were pruned.
  package var purpose: TensorPurpose
  /// Where its values come from.
  package var content: TensorContent
  /// The type before quantization.
  package var sourceType: TensorType
  /// The type it is stored with, and why.
  package var decision: TypeDecision
  /// The name under which importance data is looked up; `nil` for the plain path.
  package var importanceName: String?
  /// The name under which importance data for it is stored, used or not: that of the source, before layers were pruned.
  package var importanceKey: String
  /// The index of the output file.
  package var file: Int
  /// Where its bytes start in that file.
  package var offset: Int
  /// Bytes as stored, all parts together.
  package var byteCount: Int
  /// The groups that it is stored in, with scales and biases in tensors of their own; `nil` for everything in a GGUF.
  package var groups: GroupFormat?
  /// Scales and biases of ``groups``, in this order.
  package var groupParts: [PlannedPart] = []

  /// What it does in the model.
  package var role: TensorRole { purpose.role }
  /// The type it is stored with; of one in groups that of scales, and of the values before.
  package var type: TensorType { decision.type }
  /// The name of the type, or of the groups.
  package var typeName: String { groups?.name ?? type.name }
  /// Whether it is stored in fewer bits than its source, with scales.
  package var isQuantized: Bool { groups != nil || type.isQuantized }
  /// Values per row.
  package var rowLength: Int { ggmlShape.first ?? 1 }
  /// Rows over all higher dimensions.
  package var rowCount: Int { ggmlShape.dropFirst().reduce(1, *) }
  /// Rows of one matrix; higher dimensions count matrices (experts).
  package var rowsPerMatrix: Int { ggmlShape.count > 1 ? ggmlShape[1] : 1 }
  /// All values.
  package var elementCount: Int { rowLength * rowCount }
  /// Bytes of one stored row, all parts together.
  package var rowByteCount: Int { groupParts.reduce(mainRowByteCount) { $0 + $1.rowByteCount } }
  /// Bytes of one row of values, or of codes.
  private var mainRowByteCount: Int {
    groups?.codeByteCount(rowLength: rowLength) ?? rowLength / type.blockLength * type.blockByteCount
  }
  /// Where rows are put: one place, and those of scales and biases.
  package var parts: [PlannedPart] {
    [PlannedPart(file: file, offset: offset, rowByteCount: mainRowByteCount)] + groupParts
  }
  /// Bytes before quantization.
  package var sourceByteCount: Int { elementCount / sourceType.blockLength * sourceType.blockByteCount }
}

/// A file that is written.
package struct PlannedFile: Hashable, Sendable {
  /// Its final path.
  package var path: String
  /// Header, metadata, tensor table and padding, as they will be written.
  package var header: [UInt8]
  /// Its size in bytes.
  package var byteCount: Int
  /// The folder that gets its name when all of it is complete; `nil` for a file that gets its own.
  package var folder: String?

  /// The name it has until it is complete.
  package var partialPath: String {
    guard let folder else { return path + ".partial" }
    return PlannedFolder.partialPath(of: folder) + path.dropFirst(folder.count)
  }
  /// The folder that has to be there before.
  package var place: String { FileSystem.folder(of: folder ?? path) }
}

/// Rows of one part of a tensor: of its values or codes, its scales or its biases.
package struct PlannedPart: Hashable, Sendable {
  /// The index of the output file.
  package var file: Int
  /// Where its bytes start in that file.
  package var offset: Int
  /// Bytes of one row.
  package var rowByteCount: Int
}

/// A folder that is written: all of it, or nothing under its name.
package struct PlannedFolder: Sendable {
  /// A small file beside the weights.
  package struct Companion: Sendable {
    /// Where its content comes from.
    package enum Content: Sendable {
      /// These bytes.
      case bytes([UInt8])
      /// The bytes of a file of the source.
      case copy(of: String)
    }

    /// Its name.
    package var name: String
    /// Where its content comes from.
    package var content: Content
  }

  /// Its final path.
  package var path: String
  /// The name of the format of its weights, for people.
  package var formatName: String
  /// What is in it beside the weights.
  package var companions: [Companion]

  /// The name that it has until it is complete.
  package var partialPath: String { Self.partialPath(of: path) }

  static func partialPath(of path: String) -> String { path + ".partial" }
}
