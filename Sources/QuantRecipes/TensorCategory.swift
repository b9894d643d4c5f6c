#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// The role of a tensor as far as the mixture rules tell roles apart.
enum TensorCategory: Hashable, Sendable {
  case output
  case tokenEmbedding
  /// Value projections, fused query-key-value projections and the joint key-value expansion of latent attention.
  case attentionValue
  case attentionKey
  case attentionQuery
  case attentionOutput
  case up
  case gate
  case down
  case other

  /// Reads the role from a GGUF name; the first match decides.
  init(name: String) {
    if name == "output.weight" {
      self = .output
    } else if isTokenEmbedding(name) {
      self = .tokenEmbedding
    } else if name.containsBytes("attn_qkv.weight") || name.containsBytes("attn_kv_b.weight")
      || name.containsBytes("attn_v.weight")
    {
      self = .attentionValue
    } else if name.containsBytes("attn_k.weight") {
      self = .attentionKey
    } else if name.containsBytes("attn_q.weight") {
      self = .attentionQuery
    } else if name.containsBytes("attn_output.weight") {
      self = .attentionOutput
    } else if name.containsBytes("ffn_up") {
      self = .up
    } else if name.containsBytes("ffn_gate") {
      self = .gate
    } else if name.containsBytes("ffn_down") {
      self = .down
    } else {
      self = .other
    }
  }
}

/// True for the token embedding and the per-layer token embedding.
func isTokenEmbedding(_ name: String) -> Bool {
  name == "token_embd.weight" || name == "per_layer_token_embd.weight"
}

/// The layer in a name that starts with `blk.N`, as C's `sscanf(name, "blk.%d.")` reads it; `nil` without one.
///
/// Neither the second dot nor the absence of a sign or of spaces is checked there, so it is not here.
func leadingLayer(_ name: String) -> Int? {
  let bytes = Array(name.utf8)
  guard bytes.starts(with: "blk.".utf8) else { return nil }
  var i = 4
  while i < bytes.count, bytes[i] == 0x20 || (0x09...0x0D).contains(bytes[i]) { i += 1 }
  var negative = false
  if i < bytes.count, bytes[i] == UInt8(ascii: "-") || bytes[i] == UInt8(ascii: "+") {
    negative = bytes[i] == UInt8(ascii: "-")
    i += 1
  }
  var value = 0
  var digits = 0
  while i < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[i]) {
    let (product, overflow1) = value.multipliedReportingOverflow(by: 10)
    let (sum, overflow2) = product.addingReportingOverflow(Int(bytes[i] - UInt8(ascii: "0")))
    value = overflow1 || overflow2 ? Int.max : sum
    digits += 1
    i += 1
  }
  guard digits > 0 else { return nil }
  return Int(Int32(truncatingIfNeeded: negative ? -value : value))
}

extension String {
  /// True when the UTF-8 bytes of `part` occur in this string before any zero byte.
  func containsBytes(_ part: StaticString) -> Bool { firstOccurring(CollectionOfOne(part)) != nil }

  /// The first of `parts` whose UTF-8 bytes occur in this string before any zero byte.
  func firstOccurring(_ parts: some Collection<StaticString>) -> StaticString? {
    withCString { bytes in
      parts.first { part in
        // Static strings end in a zero byte.
        part.hasPointerRepresentation
          && strstr(bytes, UnsafeRawPointer(part.utf8Start).assumingMemoryBound(to: CChar.self)) != nil
      }
    }
  }
}
