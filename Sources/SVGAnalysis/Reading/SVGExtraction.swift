/// A drawing found in the output of a model.
package struct SVGExtraction: Hashable, Sendable {
  /// The source of the drawing, from `<svg` to `</svg>`.
  package var source: String
  /// The place of the source in the output, in bytes of UTF-8; what was added by salvage is not in it.
  package var range: Range<Int>
  /// Whether the end was missing and open elements were closed here.
  package var isSalvaged: Bool

  /// Looks for the first complete drawing, or the beginning of one.
  ///
  /// Text around it, code fences and a block of thoughts before the answer are passed over. A drawing that breaks off
  /// is cut after its last complete tag and its open elements are closed; such a drawing is marked.
  ///
  /// - Parameter output: What a model wrote.
  /// - Returns: The drawing; `nil` when there is none.
  /// - Complexity: O(length of the output).
  package static func find(in output: String) -> SVGExtraction? {
    let bytes = Array(output.utf8)
    var start = 0
    if let thoughts = bytes.lastRange(of: Array("</think>".utf8)) { start = thoughts.upperBound }
    var incomplete: SVGExtraction?
    // A try per opening would be quadratic for an output of nothing but openings; a few are enough.
    for _ in 0..<8 {
      guard let opening = firstOpening(bytes, from: start) else { break }
      let scan = TagScan(bytes, from: opening)
      if scan.isClosed {
        let range = opening..<scan.end
        return SVGExtraction(
          source: String(decoding: bytes[range], as: UTF8.self), range: range, isSalvaged: false)
      }
      if incomplete == nil, scan.end > opening {
        let closing = scan.open.reversed().map { "</\($0)>" }.joined()
        incomplete = SVGExtraction(
          source: String(decoding: bytes[opening..<scan.end], as: UTF8.self) + closing,
          range: opening..<scan.end, isSalvaged: true)
      }
      start = opening + 4
    }
    return incomplete
  }

  /// The next `<svg` that is a tag's beginning.
  private static func firstOpening(_ bytes: [UInt8], from start: Int) -> Int? {
    var index = start
    let name = Array("<svg".utf8)
    while index + 4 < bytes.count {
      guard let found = bytes[index...].firstIndex(of: name[0]), found + 4 < bytes.count else { return nil }
      let next = bytes[found + 4]
      if bytes[found..<(found + 4)].elementsEqual(name), next <= 0x20 || next == 0x3E || next == 0x2F {
        return found
      }
      index = found + 1
    }
    return nil
  }
}

/// Follows the tags of a drawing as far as they go.
private struct TagScan {
  /// Names of the elements that are open at ``end``.
  private(set) var open: [String] = []
  /// The end of the last complete tag, comment or section.
  private(set) var end: Int
  /// Whether the root element was closed.
  private(set) var isClosed = false

  init(_ bytes: [UInt8], from start: Int) {
    end = start
    var index = start
    while index < bytes.count {
      guard bytes[index] == UInt8(ascii: "<") else {
        index += 1
        continue
      }
      if let next = Self.skipSpecial(bytes, index) {
        guard next <= bytes.count else { return }
        index = next
        end = next
        continue
      }
      guard let close = Self.tagEnd(bytes, index) else { return }
      let isEnd = bytes[index + 1] == UInt8(ascii: "/")
      let nameStart = index + (isEnd ? 2 : 1)
      let name = String(
        decoding: bytes[nameStart..<close].prefix { $0 > 0x20 && $0 != 0x2F && $0 != 0x3E }, as: UTF8.self)
      if isEnd {
        // A wrong end tag is kept; the XML parser refuses it later, as it should.
        if let last = open.lastIndex(of: name) { open.removeSubrange(last...) }
      } else if bytes[close - 1] != UInt8(ascii: "/") {
        open.append(name)
      }
      index = close + 1
      end = index
      if open.isEmpty {
        isClosed = true
        return
      }
    }
  }

  /// The end of a comment, section or declaration that begins at `index`; beyond the bytes when it is unfinished.
  private static func skipSpecial(_ bytes: [UInt8], _ index: Int) -> Int? {
    for (opening, closing) in [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>")]
    where bytes[index...].starts(with: opening.utf8) {
      return bytes[(index + opening.utf8.count)...].firstRange(of: Array(closing.utf8))?.upperBound
        ?? bytes.count + 1
    }
    return nil
  }

  /// The `>` of a tag, quotes respected.
  private static func tagEnd(_ bytes: [UInt8], _ start: Int) -> Int? {
    var quote: UInt8?
    for index in (start + 1)..<max(start + 1, bytes.count) {
      let byte = bytes[index]
      if let open = quote {
        if byte == open { quote = nil }
      } else if byte == 0x22 || byte == 0x27 {
        quote = byte
      } else if byte == UInt8(ascii: ">") {
        return index
      }
    }
    return nil
  }
}

extension Array where Element == UInt8 {
  /// The last place of `pattern`.
  fileprivate func lastRange(of pattern: [UInt8]) -> Range<Int>? {
    guard count >= pattern.count else { return nil }
    for start in stride(from: count - pattern.count, through: 0, by: -1)
    where self[start..<(start + pattern.count)].elementsEqual(pattern) {
      return start..<(start + pattern.count)
    }
    return nil
  }
}
