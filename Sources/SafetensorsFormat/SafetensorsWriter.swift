public import FileBytes
internal import Foundation
public import TensorTypes

/// Writes small safetensors files, for samples and tests.
///
/// Tensors are stored in the order given; the header is padded with spaces to a multiple of 8 bytes.
public enum SafetensorsWriter {
  /// A tensor and its bytes.
  public typealias Item = (tensor: SourceTensor, bytes: [UInt8])

  /// The length bytes and the header of a file with `tensors`.
  ///
  /// - Throws: ``SafetensorsError`` when the result is not a valid header (duplicate names, overflow, partial bytes).
  public static func header(
    _ tensors: [SourceTensor], metadata: [String: String] = ["format": "pt"]
  ) throws(SafetensorsError) -> [UInt8] {
    var members: [String] = []
    if !metadata.isEmpty {
      let strings = metadata.sorted { $0.key < $1.key }.map { "\(quoted($0.key)):\(quoted($0.value))" }
      members.append("\"__metadata__\":{\(strings.joined(separator: ","))}")
    }
    var offset = 0
    for tensor in tensors {
      // Wrapping on purpose: the parse below refuses shapes whose sizes overflow.
      let bits = tensor.shape.reduce(tensor.elementType.bitCount, &*)
      let end = offset &+ max(0, bits / 8)
      members.append(
        "\(quoted(tensor.name)):{\"dtype\":\"\(tensor.elementType.rawValue)\",\"shape\":["
          + tensor.shape.map(String.init).joined(separator: ",") + "],\"data_offsets\":[\(offset),\(end)]}")
      offset = end
    }
    var text = Array("{\(members.joined(separator: ","))}".utf8)
    text.append(contentsOf: repeatElement(0x20, count: (8 - text.count % 8) % 8))
    let bytes = withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) } + text
    _ = try SafetensorsHeader(parsing: bytes, fileByteCount: nil, file: "")
    return bytes
  }

  /// A whole file.
  ///
  /// - Throws: ``SafetensorsError`` as ``header(_:metadata:)``, or `sizeMismatch` when bytes do not fit a shape.
  public static func file(
    _ items: [Item], metadata: [String: String] = ["format": "pt"]
  ) throws(SafetensorsError) -> [UInt8] {
    var bytes = try header(items.map(\.tensor), metadata: metadata)
    for item in items {
      let expected = item.tensor.shape.reduce(item.tensor.elementType.bitCount, *) / 8
      guard item.bytes.count == expected else {
        throw SafetensorsError(
          .sizeMismatch,
          Fault(subject: item.tensor.name, expected: "\(expected) bytes", found: "\(item.bytes.count)"))
      }
      bytes.append(contentsOf: item.bytes)
    }
    return bytes
  }

  /// The index of a sharded checkpoint.
  public static func index(_ shards: [(name: String, tensors: [SourceTensor])]) -> [UInt8] {
    var total = 0
    var lines: [String] = []
    for shard in shards {
      for tensor in shard.tensors {
        total += tensor.shape.reduce(tensor.elementType.bitCount, *) / 8
        lines.append("    \(quoted(tensor.name)): \(quoted(shard.name))")
      }
    }
    let text = """
      {
        "metadata": {
          "total_size": \(total)
        },
        "weight_map": {
      \(lines.sorted().joined(separator: ",\n"))
        }
      }

      """
    return Array(text.utf8)
  }

  /// Writes a checkpoint into an existing folder: one `model.safetensors`, or several shards and their index.
  ///
  /// - Returns: The names of the shards.
  /// - Throws: ``SafetensorsError`` as ``file(_:metadata:)``, or `cannotWrite`.
  @discardableResult
  public static func writeCheckpoint(_ shards: [[Item]], to folder: String) throws(SafetensorsError)
    -> [String]
  {
    let discovery = ShardDiscovery(folder: folder)
    let names =
      shards.count == 1
      ? ["model.safetensors"] : (0..<shards.count).map { ShardDiscovery.shardName($0 + 1, of: shards.count) }
    for (name, items) in zip(names, shards) { try write(try file(items), to: discovery.path(name)) }
    if shards.count > 1 {
      let listing = zip(names, shards).map { (name: $0, tensors: $1.map(\.tensor)) }
      try write(index(listing), to: discovery.path(SafetensorsIndex.fileName))
    }
    return names
  }

  private static func write(_ bytes: [UInt8], to path: String) throws(SafetensorsError) {
    do {
      try Data(bytes).write(to: URL(fileURLWithPath: path))
    } catch {
      throw SafetensorsError(
        .cannotWrite, Fault(file: path, expected: "a writable file", found: "\(error.localizedDescription)"))
    }
  }

  /// A JSON string.
  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\u{0}"..<"\u{20}":
        let hex = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
