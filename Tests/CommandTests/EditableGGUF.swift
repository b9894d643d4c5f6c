import BlockQuantization
import FileBytes
import Foundation
import GGUFFormat
import TensorTypes

/// A GGUF in memory, to be spoiled and written again.
struct EditableGGUF {
  /// A tensor with its bytes.
  struct Tensor {
    var name: String
    var type: TensorType
    var shape: [Int]
    var bytes: [UInt8]

    /// Bytes of one row.
    var rowByteCount: Int { (shape.first ?? 1) / type.blockLength * type.blockByteCount }
    /// Bytes of one matrix.
    var matrixByteCount: Int { rowByteCount * (shape.count > 1 ? shape[1] : 1) }
  }

  private struct NoSuchTensor: Error { var name: String }

  var metadata: [MetadataEntry]
  var tensors: [Tensor]

  /// Reads a good file.
  init(path: String) throws {
    let file = try GGUFFile(path: path)
    metadata = file.metadata
    tensors = try file.tensors.map {
      Tensor(
        name: $0.name, type: $0.type, shape: $0.ggmlShape,
        bytes: try file.file.bytes(at: file.position(of: $0), count: $0.byteCount))
    }
  }

  /// The file as bytes.
  func encoded() throws -> [UInt8] {
    let header = try GGUFHeaderEncoder(
      metadata: metadata,
      tensors: tensors.map { GGUFTensorDescription(name: $0.name, type: $0.type, ggmlShape: $0.shape) },
      dimensions: .asGiven)
    var bytes = header.bytes
    bytes.reserveCapacity(header.fileByteCount)
    for tensor in tensors {
      bytes += tensor.bytes
      while bytes.count % 32 != 0 { bytes.append(0) }
    }
    return bytes
  }

  /// The index of a tensor.
  func index(_ name: String) throws -> Int {
    guard let index = tensors.firstIndex(where: { $0.name == name }) else { throw NoSuchTensor(name: name) }
    return index
  }

  /// Changes a tensor.
  mutating func change(_ name: String, _ body: (inout Tensor) throws -> Void) throws {
    try body(&tensors[try index(name)])
  }

  /// Sets a metadata value in place.
  mutating func set(_ key: String, _ value: MetadataValue) {
    if let index = metadata.firstIndex(where: { $0.key == key }) {
      metadata[index].value = value
    } else {
      metadata.append(MetadataEntry(key, value))
    }
  }

  /// Exchanges the bytes of two tensors of one shape and type.
  mutating func exchange(_ a: String, _ b: String) throws {
    let (i, j) = (try index(a), try index(b))
    precondition(tensors[i].type == tensors[j].type && tensors[i].shape == tensors[j].shape)
    (tensors[i].bytes, tensors[j].bytes) = (tensors[j].bytes, tensors[i].bytes)
  }

  /// Puts experts in another order: expert e gets the bytes of expert `order[e]`.
  mutating func reorderExperts(_ name: String, _ order: [Int]) throws {
    try change(name) { tensor in
      let size = tensor.matrixByteCount
      let old = tensor.bytes
      for (expert, from) in order.enumerated() {
        tensor.bytes.replaceSubrange(
          expert * size..<(expert + 1) * size, with: old[from * size..<(from + 1) * size])
      }
    }
  }

  /// Puts rows in another order: row r gets the bytes of row `order(r)`.
  mutating func reorderRows(_ name: String, _ order: (Int) -> Int) throws {
    try change(name) { tensor in
      let size = tensor.rowByteCount
      let old = tensor.bytes
      for row in 0..<(old.count / size) {
        let from = order(row)
        tensor.bytes.replaceSubrange(
          row * size..<(row + 1) * size, with: old[from * size..<(from + 1) * size])
      }
    }
  }

  /// Changes the values of an f32 tensor.
  mutating func mapValues(_ name: String, _ change: (Int, Float) -> Float) throws {
    try self.change(name) { tensor in
      precondition(tensor.type == .f32)
      for index in 0..<(tensor.bytes.count / 4) {
        let bits = tensor.bytes.withUnsafeBytes {
          $0.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self)
        }
        let value = change(index, Float(bitPattern: bits)).bitPattern
        for byte in 0..<4 {
          tensor.bytes[4 * index + byte] = UInt8(truncatingIfNeeded: value >> (8 * UInt32(byte)))
        }
      }
    }
  }

  /// Quantizes a tensor anew after a change of its values.
  mutating func requantize(_ name: String, _ change: (Float) -> Float) throws {
    try self.change(name) { tensor in
      let count = tensor.shape.reduce(1, *)
      var values = [Float](repeating: 0, count: count)
      tensor.bytes.withUnsafeBytes { bytes in
        values.withUnsafeMutableBufferPointer {
          BlockQuantizer.dequantize(tensor.type, bytes: bytes, rowLength: tensor.shape[0], into: $0)
        }
      }
      values = values.map(change)
      let (type, rowLength) = (tensor.type, tensor.shape[0])
      tensor.bytes.withUnsafeMutableBytes { bytes in
        values.withUnsafeBufferPointer {
          BlockQuantizer.quantize(type, rows: $0, rowLength: rowLength, importance: nil, into: bytes)
        }
      }
    }
  }
}
