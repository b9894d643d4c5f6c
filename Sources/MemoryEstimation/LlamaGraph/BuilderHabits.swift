/// What llama.cpp's builder of an architecture does in its own way, which the parts of a model do not say.
struct BuilderHabits {
  /// Where the rows whose logits are wanted are taken from those of the other tokens.
  enum RowChoice {
    /// Before the last layer's mixer reaches the stream.
    case beforeLastSum
    /// After all layers, whose last result stays for draft models.
    case beforeOutputNorm
    /// After the output norm, whose result stays for draft models.
    case afterOutputNorm
  }

  /// Whether layers with a window have a cache of their own; other builders attend to everything.
  var hasWindowCache = false
  var rowChoice = RowChoice.beforeLastSum
  /// Whether sums have the stream for their first operand, after the mixer and after the feed-forward network.
  var addsToStream = (mixer: false, feedForward: false)
  /// Whether queries are multiplied by the scale of scores, not scores.
  var scalesQueries = false
  /// Whether the softmax is taken over the scores of the chosen experts, not over all and then divided by their sum.
  var weighsChosenScores = false
  /// Whether parts of a fused projection are copied out.
  var copiesFusedParts = false

  /// The habits of the builder of an architecture.
  init(_ architecture: String) {
    switch architecture {
    case "gpt-oss": (hasWindowCache, rowChoice, weighsChosenScores) = (true, .beforeOutputNorm, true)
    case "gemma4": (hasWindowCache, rowChoice, copiesFusedParts) = (true, .afterOutputNorm, true)
    case "exaone-moe": hasWindowCache = true
    case "lfm2moe": addsToStream = (true, true)
    case "phimoe": (addsToStream.feedForward, scalesQueries) = (true, true)
    default: break
    }
  }
}
