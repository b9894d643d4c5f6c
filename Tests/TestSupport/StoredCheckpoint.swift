internal import Foundation

/// The tensors of a checkpoint folder, to be stored in another program's form.
public struct StoredCheckpoint {
  /// The tensors of all shards by name.
  public var tensors: [String: TinyCheckpoint.Tensor]
  /// The value of `format` that is written.
  public var format = "pt"
  /// Entries of `config.json` that replace or follow those of the folder.
  public var configChanges: [String: Any] = [:]
  private let folder: URL

  /// Reads the safetensors files of a folder.
  public init(folder: String) throws {
    self.folder = URL(fileURLWithPath: folder)
    tensors = [:]
    for file in try Self.files(in: self.folder) where file.pathExtension == "safetensors" {
      let data = try Data(contentsOf: file)
      let count = data.prefix(8).enumerated().reduce(0) { $0 | Int($1.element) << (8 * $1.offset) }
      let header = try JSONSerialization.jsonObject(with: data[8..<(8 + count)]) as? [String: Any] ?? [:]
      for (name, value) in header {
        guard let entry = value as? [String: Any], let type = entry["dtype"] as? String,
          let shape = entry["shape"] as? [Int], let offsets = entry["data_offsets"] as? [Int]
        else { continue }
        tensors[name] = TinyCheckpoint.Tensor(
          type: type, shape: shape,
          bytes: [UInt8](data[(8 + count + offsets[0])..<(8 + count + offsets[1])]))
      }
    }
  }

  private static func files(in folder: URL) throws -> [URL] {
    try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
  }

  /// Writes one shard and the other files of the original folder; returns the path.
  public func write(in parent: TemporaryFolder, name: String) throws -> String {
    let target = parent.url.appendingPathComponent(name)
    try FileManager.default.createDirectory(at: target, withIntermediateDirectories: true)
    for file in try Self.files(in: folder) {
      guard file.pathExtension != "safetensors", file.lastPathComponent != "model.safetensors.index.json"
      else {
        continue
      }
      try FileManager.default.copyItem(at: file, to: target.appendingPathComponent(file.lastPathComponent))
    }
    if !configChanges.isEmpty {
      let path = target.appendingPathComponent("config.json")
      let config = try JSONSerialization.jsonObject(with: Data(contentsOf: path)) as? [String: Any] ?? [:]
      try JSONSerialization.data(withJSONObject: config.merging(configChanges) { $1 }).write(to: path)
    }
    let bytes = try TinyCheckpoint.safetensors(tensors, format: format)
    try Data(bytes).write(to: target.appendingPathComponent("model.safetensors"))
    return target.path
  }

  /// Stores convolutions, norms and experts as mlx-lm does when it loads a checkpoint of gated delta nets.
  ///
  /// The sum of a norm weight and one is stored in f32, which keeps it exact; mlx-lm rounds it to the stored type.
  public mutating func storeAsMLX(prefix: Bool = true, format: String = "mlx") {
    self.format = format
    for name in tensors.keys where name.hasSuffix("conv1d.weight") { turn(name) }
    for name in tensors.keys where Self.isShiftedNorm(name) { addOne(name) }
    stackExperts()
    guard prefix else { return }
    tensors = Dictionary(
      tensors.map { ("language_model." + $0.key, $0.value) }, uniquingKeysWith: { first, _ in first })
  }

  /// Whether mlx-lm adds one to the norm of this name.
  public static func isShiftedNorm(_ name: String) -> Bool {
    [
      ".input_layernorm.weight", ".post_attention_layernorm.weight", "model.norm.weight", ".q_norm.weight",
      ".k_norm.weight",
    ].contains(where: name.hasSuffix)
  }

  /// Swaps the last two axes of a convolution, one of which is 1.
  public mutating func turn(_ name: String) { tensors[name]?.shape.swapAt(1, 2) }

  /// Adds one to the bf16 values of a norm; the sum is f32.
  public mutating func addOne(_ name: String) {
    guard let norm = tensors[name], norm.type == "BF16" else { return }
    var bytes: [UInt8] = []
    for index in stride(from: 0, to: norm.bytes.count, by: 2) {
      let bits = UInt32(norm.bytes[index]) << 16 | UInt32(norm.bytes[index + 1]) << 24
      withUnsafeBytes(of: (Float(bitPattern: bits) + 1).bitPattern.littleEndian) { bytes += $0 }
    }
    tensors[name] = TinyCheckpoint.Tensor(type: "F32", shape: norm.shape, bytes: bytes)
  }

  /// Stacks experts, one by one or fused, as `switch_mlp`.
  public mutating func stackExperts() {
    for name in tensors.keys.sorted() {
      if name.hasSuffix(".experts.gate_up_proj"), let fused = tensors.removeValue(forKey: name) {
        let prefix = name.dropLast("experts.gate_up_proj".count) + "switch_mlp."
        let (count, rows, columns) = (fused.shape[0], fused.shape[1] / 2, fused.shape[2])
        let half = fused.bytes.count / count / 2
        for (part, role) in ["gate_proj", "up_proj"].enumerated() {
          let bytes = (0..<count).flatMap { expert in
            fused.bytes[((2 * expert + part) * half)...].prefix(half)
          }
          tensors[prefix + role + ".weight"] = TinyCheckpoint.Tensor(
            type: fused.type, shape: [count, rows, columns], bytes: Array(bytes))
        }
      } else if name.hasSuffix(".experts.down_proj"), let down = tensors.removeValue(forKey: name) {
        tensors[name.dropLast("experts.down_proj".count) + "switch_mlp.down_proj.weight"] = down
      } else if let place = name.range(of: ".experts.0.") {
        stack(prefix: String(name[..<place.lowerBound]), role: String(name[place.upperBound...]))
      }
    }
  }

  private mutating func stack(prefix: String, role: String) {
    var all: TinyCheckpoint.Tensor?
    var expert = 0
    while let next = tensors.removeValue(forKey: "\(prefix).experts.\(expert).\(role)") {
      if all == nil { all = TinyCheckpoint.Tensor(type: next.type, shape: [0] + next.shape, bytes: []) }
      all?.shape[0] += 1
      all?.bytes += next.bytes
      expert += 1
    }
    let general = [
      "w1.weight": "gate_proj.weight", "w2.weight": "down_proj.weight", "w3.weight": "up_proj.weight",
    ]
    tensors["\(prefix).switch_mlp.\(general[role] ?? role)"] = all
  }
}
