internal import FileBytes
internal import TensorTypes

/// The signs that tell which program stored a checkpoint of a family with gated delta nets.
///
/// transformers stores convolutions as `[channels, 1, kernel]` and norm weights minus one. mlx-lm and mlx-vlm turn
/// the convolutions to `[channels, kernel, 1]`, stack the experts as `switch_mlp` and add one to the norms, all when
/// they first load such a checkpoint; what they save keeps that, in files whose `format` is `mlx`. Both decide by the
/// convolution whether a folder is already in their form (mlx-lm's Qwen3-Next by the experts, mlx-vlm by the prefix
/// as well). `format` alone says only which library wrote the file: every save through MLX has it.
struct StorageSigns {
  /// What the signs say together.
  enum Verdict: Equatable {
    /// All signs are those of transformers.
    case minusOne
    /// All signs are those of MLX.
    case plain
    /// The signs contradict each other or say nothing.
    case unclear
  }

  /// Convolutions as MLX stores them.
  private(set) var turned: [String] = []
  /// Convolutions as transformers stores them.
  private(set) var unturned: [String] = []
  /// The first expert stack of MLX.
  private(set) var stacked: String?
  /// The first expert tensor in a layout of transformers.
  private(set) var unstacked: String?
  /// Whether names start as those that mlx-lm and mlx-vlm save.
  private(set) var hasPrefix = false
  private let formats: Set<String>

  init(_ tensors: [SourceTensor], formats: Set<String>) {
    self.formats = formats
    for tensor in tensors {
      let name = tensor.name
      if name.hasSuffix(".conv1d.weight"), tensor.shape.count == 3 {
        // A kernel of length 1 looks the same in both forms.
        switch (tensor.shape[1], tensor.shape[2]) {
        case (1, let kernel) where kernel > 1: unturned.append(name)
        case (let kernel, 1) where kernel > 1: turned.append(name)
        default: break
        }
      }
      if name.utf8.starts(with: "language_model.model.".utf8) { hasPrefix = true }
      if stacked == nil || unstacked == nil, !name.contains("mtp.") {
        if stacked == nil, name.contains(".switch_mlp.") { stacked = name }
        if unstacked == nil, name.contains(".mlp.experts.") { unstacked = name }
      }
    }
  }

  private var saysMLX: Bool { formats.contains("mlx") }

  /// Judges the signs.
  var verdict: Verdict {
    if !turned.isEmpty, unturned.isEmpty, unstacked == nil, stacked != nil || hasPrefix || saysMLX {
      return .plain
    }
    if turned.isEmpty, stacked == nil, !saysMLX { return .minusOne }
    return .unclear
  }

  /// The signs of MLX, in words.
  var ofMLX: [String] {
    var result: [String] = []
    if let name = turned.first { result.append("\(name) is [channels, kernel, 1]") }
    if let stacked { result.append("experts are stacked as \(stacked)") }
    if hasPrefix { result.append("names start with language_model.") }
    if saysMLX { result.append("the format of the files is mlx") }
    return result
  }

  /// The signs of transformers, in words.
  var ofTransformers: [String] {
    var result: [String] = []
    if let name = unturned.first { result.append("\(name) is [channels, 1, kernel]") }
    if let unstacked { result.append("experts are stored as \(unstacked)") }
    if let format = formats.subtracting(["mlx"]).sorted().first {
      result.append("the format of the files is \(format)")
    }
    return result
  }
}
