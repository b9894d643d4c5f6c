/// What the first bytes of a file say it is.
package struct FileContent: Hashable, Sendable {
  /// The kinds that are told apart.
  package enum Kind: Hashable, Sendable {
    case empty, zeros, gguf, oldGGML, safetensors, zip, pickle, hdf5, zstd, gzip, webPage, json, text
  }

  /// The kind.
  package var kind: Kind
  /// What it is, as the end of a sentence: `a web page`.
  package var name: String
  /// What to do when a model was expected; empty when nothing is known.
  package var remedy: String

  /// The bytes that are looked at, at most.
  package static let sampleByteCount = 512

  /// Looks at the start of a file; `nil` when it is of no known kind.
  ///
  /// - Parameter bytes: The first ``sampleByteCount`` bytes, or all of a shorter file.
  package init?(_ bytes: [UInt8]) {
    let start = bytes.prefix(Self.sampleByteCount)
    guard let kind = Self.kind(start) else { return nil }
    self.kind = kind
    let again = "fetch it again"
    (name, remedy) =
      switch kind {
      case .empty: ("an empty file", again)
      case .zeros: ("zeros", "the download did not finish; " + again)
      case .gguf: ("a GGUF file", "")
      case .oldGGML: ("a GGML file from before GGUF", "make it again from the original model")
      case .safetensors: ("a safetensors file", "give its folder, with config.json, to pouch-convert")
      case .zip, .pickle:
        ("PyTorch weights (a Python pickle)", "save the model as safetensors, for example with transformers")
      case .hdf5: ("an HDF5 file (TensorFlow or Keras weights)", "fetch the safetensors version of the model")
      case .zstd: ("a zstd-compressed file", "decompress it with zstd -d")
      case .gzip: ("a gzip-compressed file", "decompress it with gzip -d")
      case .webPage: ("a web page", "the address led to a page about the file; download the file itself")
      case .json: ("JSON text", "")
      case .text: ("plain text", "")
      }
  }

  private static func kind(_ start: ArraySlice<UInt8>) -> Kind? {
    if start.isEmpty { return .empty }
    func has(_ magic: String) -> Bool { start.starts(with: magic.utf8) }
    func has(_ magic: [UInt8]) -> Bool { start.starts(with: magic) }
    if has("GGUF") { return .gguf }
    if has("lmgg") || has("fmgg") || has("tjgg") { return .oldGGML }
    if has([0x50, 0x4B, 3, 4]) { return .zip }
    if start.count > 2, start[0] == 0x80, (2...5).contains(start[1]) { return .pickle }
    if has([0x89, 0x48, 0x44, 0x46]) { return .hdf5 }
    if has([0x28, 0xB5, 0x2F, 0xFD]) { return .zstd }
    if has([0x1F, 0x8B]) { return .gzip }
    // The length of a header in little-endian order, then the brace of its object.
    if start.count > 9, start[8] == UInt8(ascii: "{"), start[5...7].allSatisfy({ $0 == 0 }) {
      return .safetensors
    }
    if start.count >= 16, start.allSatisfy({ $0 == 0 }) { return .zeros }
    guard let text = String(validating: start.prefix { $0 < 0x80 }, as: UTF8.self),
      !start.prefix(while: { $0 < 0x80 }).contains(where: { $0 < 0x20 && ![9, 10, 12, 13].contains($0) }),
      text.utf8.count >= min(start.count, 16)
    else { return nil }
    let word = text.drop { $0.isWhitespace }.prefix(24).lowercased()
    if ["<!doctype html", "<html", "<?xml", "<head"].contains(where: word.hasPrefix) { return .webPage }
    return word.hasPrefix("{") || word.hasPrefix("[") ? .json : .text
  }

  /// Looks at the start of the file at `path`; `nil` when it cannot be read or is of no known kind.
  static func ofFile(_ path: String) -> FileContent? {
    guard let file = try? ReadableFile(path: path),
      let bytes = try? file.bytes(at: 0, count: min(file.byteCount, sampleByteCount))
    else { return nil }
    return FileContent(bytes)
  }
}
