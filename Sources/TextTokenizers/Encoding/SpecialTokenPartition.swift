/// Cuts a text at the special tokens that are written out in it.
///
/// Longer tokens are looked for first, each from left to right in what the ones before it left as text. User-defined
/// tokens are always recognized, control and unknown tokens only when asked for.
struct SpecialTokenPartition: Sendable {
  /// A part of a text.
  enum Fragment: Hashable {
    case text(Range<Int>)
    case token(Int32)
  }

  private struct Entry: Sendable {
    var id: Int32
    var text: [UInt8]
    var needsParsing: Bool
    var stripsRight: Bool
  }

  /// In the order in which they are looked for.
  private var entries: [Entry] = []
  /// The entries by the first byte of their texts.
  private var byFirstByte: [[Int]] = Array(repeating: [], count: 256)

  init(_ table: TokenTable) {
    for id in 0..<table.count {
      let attributes = table.attributes[id]
      guard !attributes.isDisjoint(with: [.control, .userDefined, .unknown]) else { continue }
      entries.append(
        Entry(
          id: Int32(id), text: Array(table.strings[id]),
          needsParsing: !attributes.isDisjoint(with: [.control, .unknown]),
          stripsRight: attributes.contains(.stripsRight)))
    }
    entries.sort { ($0.text.count, $1.id) > ($1.text.count, $0.id) }
    for (index, entry) in entries.enumerated() { byFirstByte[Int(entry.text[0])].append(index) }
  }

  /// The fragments of `bytes`, in order; text fragments are not empty.
  func fragments(of bytes: [UInt8], parseSpecial: Bool) -> [Fragment] {
    guard !bytes.isEmpty else { return [] }
    var fragments: [Fragment] = [.text(bytes.indices)]
    for index in present(in: bytes, parseSpecial: parseSpecial) {
      cut(&fragments, at: entries[index], in: bytes)
    }
    return fragments
  }

  /// The entries that occur anywhere in `bytes`, in order.
  private func present(in bytes: [UInt8], parseSpecial: Bool) -> [Int] {
    var pending = byFirstByte
    if !parseSpecial {
      for byte in 0..<256 where !pending[byte].isEmpty {
        pending[byte].removeAll { entries[$0].needsParsing }
      }
    }
    var isPending = pending.map { !$0.isEmpty }
    guard isPending.contains(true) else { return [] }
    var found: [Int] = []
    for offset in bytes.indices where isPending[Int(bytes[offset])] {
      let byte = Int(bytes[offset])
      var position = 0
      while position < pending[byte].count {
        let index = pending[byte][position]
        if matches(entries[index].text, bytes, offset, bytes.count) {
          found.append(index)
          pending[byte].remove(at: position)
        } else {
          position += 1
        }
      }
      isPending[byte] = !pending[byte].isEmpty
    }
    return found.sorted()
  }

  @inline(__always)
  private func matches(_ text: [UInt8], _ bytes: [UInt8], _ offset: Int, _ limit: Int) -> Bool {
    guard offset + text.count <= limit else { return false }
    for index in text.indices where bytes[offset &+ index] != text[index] { return false }
    return true
  }

  private func cut(_ fragments: inout [Fragment], at entry: Entry, in bytes: [UInt8]) {
    var result: [Fragment] = []
    result.reserveCapacity(fragments.count + 8)
    for fragment in fragments {
      guard case .text(let range) = fragment else {
        result.append(fragment)
        continue
      }
      var start = range.lowerBound
      while let match = first(entry.text, in: bytes, from: start, to: range.upperBound) {
        if match > start { result.append(.text(start..<match)) }
        result.append(.token(entry.id))
        start = match + entry.text.count
        if entry.stripsRight {
          while start < range.upperBound, bytes[start] == 0x20 || 0x09...0x0D ~= bytes[start] { start += 1 }
        }
      }
      if start < range.upperBound { result.append(.text(start..<range.upperBound)) }
    }
    fragments = result
  }

  private func first(_ text: [UInt8], in bytes: [UInt8], from start: Int, to end: Int) -> Int? {
    let head = text[0]
    var offset = start
    while offset + text.count <= end {
      if bytes[offset] == head, matches(text, bytes, offset, end) { return offset }
      offset &+= 1
    }
    return nil
  }
}
