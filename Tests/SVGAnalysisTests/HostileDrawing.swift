import Foundation
import Testing

/// A hostile drawing from `Hostile/drawings.json`.
struct HostileDrawing: Decodable, Sendable, CustomTestStringConvertible {
  private struct Part: Decodable {
    var text: String
    var times: Int?
  }
  private struct File: Decodable { var drawings: [HostileDrawing] }

  /// A short name.
  let name: String
  /// The code of the refusal, or `forbidden`, `unsupported` or `clean`.
  let expect: String
  /// The source.
  let bytes: [UInt8]

  var testDescription: String { name }

  private enum Keys: String, CodingKey { case name, expect, parts }

  init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: Keys.self)
    name = try values.decode(String.self, forKey: .name)
    expect = try values.decode(String.self, forKey: .expect)
    var bytes: [UInt8] = []
    for part in try values.decode([Part].self, forKey: .parts) {
      let piece = Self.bytes(part.text)
      for _ in 0..<(part.times ?? 1) { bytes += piece }
    }
    self.bytes = bytes
  }

  /// The text with `\0BYTE:hex\0` replaced by the bytes.
  private static func bytes(_ text: String) -> [UInt8] {
    var result: [UInt8] = []
    for piece in text.split(separator: "\0", omittingEmptySubsequences: false) {
      if piece.hasPrefix("BYTE:") {
        let digits = Array(piece.dropFirst(5))
        for index in stride(from: 0, to: digits.count - 1, by: 2) {
          result.append(UInt8(String(digits[index...(index + 1)]), radix: 16) ?? 0)
        }
      } else {
        result += Array(piece.utf8)
      }
    }
    return result
  }

  /// All of them.
  static let all: [HostileDrawing] = {
    guard let url = Bundle.module.url(forResource: "Hostile/drawings", withExtension: "json"),
      let data = try? Data(contentsOf: url), let file = try? JSONDecoder().decode(File.self, from: data)
    else { return [] }
    return file.drawings
  }()
}
