/// How long the context is, and what has to be said about it.
package struct ContextLength: Hashable, Sendable {
  /// Tokens.
  package let tokens: Int
  /// What the user should know, if anything.
  package let note: String?

  /// The context where neither length nor number of tokens is asked for.
  package static let usual = 4_096
  /// Room for the answer behind a prompt that is longer than that.
  package static let room = 512

  /// Chooses a length.
  ///
  /// - Parameters:
  ///   - wanted: The length that is asked for, 0 for the model's own; `nil` without one.
  ///   - own: The context that the model was made for, when it tells.
  ///   - promptCount: Tokens of the prompt.
  ///   - limit: The most tokens to make; below 0 for no limit.
  package init(wanted: Int?, own: Int?, promptCount: Int, limit: Int) {
    if let wanted {
      tokens = wanted == 0 ? own ?? Self.usual : wanted
    } else if limit >= 0 {
      tokens = max(promptCount + limit, 1)
    } else {
      let most = max(min(own ?? Self.usual, Self.usual), promptCount + Self.room)
      // No further than the model was made for, unless the prompt alone goes there.
      tokens = own.map { promptCount < $0 ? min(most, $0) : most } ?? most
    }
    guard let own else {
      note = nil
      return
    }
    if promptCount > own {
      note =
        "the prompt has \(promptCount) tokens, the model was made for a context of \(own): "
        + "what follows beyond that is often poor"
    } else if tokens > own {
      note =
        "the context of \(tokens) tokens is longer than the \(own) that the model was made for: "
        + "text beyond that is often poor"
    } else {
      note = nil
    }
  }
}
