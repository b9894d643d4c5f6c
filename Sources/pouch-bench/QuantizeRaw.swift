import ArgumentParser
import BlockQuantization
import FileBytes
import Foundation
import TensorTypes

/// `pouch-bench quantize-raw`: quantizes files of plain floats, for comparisons with other programs.
struct QuantizeRaw: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "quantize-raw",
    abstract: "Quantizes a file of little-endian f32 rows to a file of blocks.",
    discussion: """
      A type such as affine4/64@bf16 or mxfp4@f16 is one of MLX with the type that the weights had: the codes are \
      followed by all scales and these by all biases. With --jobs, a text file is read that has one job per line, five fields separated by tabs: type, row length, \
      input, weights (or -), output.
      """)

  @Option(help: "The tensor type, such as q4_K.")
  var type: String?

  @Option(help: "Values per row.")
  var rowLength: Int?

  @Option(help: "The rows, f32.")
  var input: String?

  @Option(help: "One f32 weight per column.")
  var importance: String?

  @Option(help: "Where the blocks go.")
  var output: String?

  @Option(help: "A file of jobs.")
  var jobs: String?

  @Flag(help: "Use the readable definition instead of the kernels.")
  var plain = false

  mutating func run() throws {
    if let jobs {
      for line in try String(contentsOfFile: jobs, encoding: .utf8).split(separator: "\n") {
        let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
        guard fields.count == 5, let length = Int(fields[1]) else {
          throw ValidationError("a job needs five fields separated by tabs: \(line)")
        }
        try quantize(fields[0], length, fields[2], fields[3] == "-" ? nil : fields[3], fields[4])
      }
    } else {
      guard let type, let rowLength, let input, let output else {
        throw ValidationError("--type, --row-length, --input and --output are needed, or --jobs")
      }
      try quantize(type, rowLength, input, importance, output)
    }
  }

  private func quantize(
    _ name: String, _ rowLength: Int, _ input: String, _ importance: String?, _ output: String
  ) throws {
    if name.contains("@") { return try quantizeGroups(name, input, output) }
    guard let type = TensorType(name: name), BlockQuantizer.canQuantize(type) else {
      throw ValidationError("no quantizer for \(name)")
    }
    let values = try floats(input)
    let weights = try importance.map(floats)
    guard rowLength > 0, let rowBytes = type.rowByteCount(length: rowLength), values.count % rowLength == 0
    else {
      throw ValidationError(
        "\(input): \(values.count) values are not whole rows of \(rowLength) in \(type.name)")
    }
    guard weights.map({ $0.count == rowLength }) ?? true else {
      throw ValidationError("\(importance ?? ""): one weight for each of \(rowLength) columns is needed")
    }
    var bytes: [UInt8]
    if plain {
      bytes = PlainBlockQuantizer.quantize(type, rows: values, rowLength: rowLength, importance: weights)
    } else {
      bytes = [UInt8](repeating: 0, count: values.count / rowLength * rowBytes)
      values.withUnsafeBufferPointer { values in
        bytes.withUnsafeMutableBytes { bytes in
          if let weights {
            weights.withUnsafeBufferPointer {
              BlockQuantizer.quantize(type, rows: values, rowLength: rowLength, importance: $0, into: bytes)
            }
          } else {
            BlockQuantizer.quantize(type, rows: values, rowLength: rowLength, importance: nil, into: bytes)
          }
        }
      }
    }
    try Data(bytes).write(to: URL(fileURLWithPath: output))
  }

  /// Quantizes to a format of MLX, named with the type of the weights.
  private func quantizeGroups(_ name: String, _ input: String, _ output: String) throws {
    let parts = name.split(separator: "@").map(String.init)
    guard parts.count == 2, let format = GroupFormat(name: parts[0]),
      let type = ElementType(rawValue: parts[1].uppercased()), GroupQuantizer.canQuantize(type)
    else { throw ValidationError("no quantizer for \(name)") }
    let values = try floats(input)
    guard values.count % format.groupSize == 0 else {
      throw ValidationError("\(input): \(values.count) values are not whole groups of \(format.groupSize)")
    }
    let codeCount = format.codeByteCount(rowLength: values.count)
    let scaleCount =
      format.groupCount(rowLength: values.count) * format.scaleType(weights: type).bitCount / 8
    var bytes = [UInt8](repeating: 0, count: codeCount + (format.hasBiases ? 2 : 1) * scaleCount)
    if plain {
      let made = PlainGroups.quantize(format, type: type, values: values)
      bytes = made.codes + made.scales + made.biases
    } else {
      values.withUnsafeBufferPointer { values in
        bytes.withUnsafeMutableBytes { bytes in
          GroupQuantizer.quantize(
            format, type: type, values: values,
            into: GroupQuantizer.Parts(
              codes: UnsafeMutableRawBufferPointer(rebasing: bytes[..<codeCount]),
              scales: UnsafeMutableRawBufferPointer(rebasing: bytes[codeCount..<(codeCount + scaleCount)]),
              biases: UnsafeMutableRawBufferPointer(rebasing: bytes[(codeCount + scaleCount)...])))
        }
      }
    }
    try Data(bytes).write(to: URL(fileURLWithPath: output))
  }

  private func floats(_ path: String) throws -> [Float] {
    let data = try Data(contentsOf: URL(fileURLWithPath: path))
    guard data.count % 4 == 0 else {
      throw ValidationError("\(path): \(data.count) bytes are not whole floats")
    }
    return data.withUnsafeBytes { bytes in
      (0..<data.count / 4).map {
        Float(bitPattern: bytes.loadUnaligned(fromByteOffset: $0 * 4, as: UInt32.self).littleEndian)
      }
    }
  }
}
