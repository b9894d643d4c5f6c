/// Watches intermediate values of a forward pass.
///
/// Two kinds of names exist. The name of a weight matrix (`blk.0.ffn_gate_exps.weight`) stands for the rows that
/// the matrix is multiplied with; where every head has a matrix of its own (`blk.0.attn_k_b.weight`), a row has what all
/// heads' matrices are multiplied with, head after head. Other names stand for results: `token_embd`, `blk.N.attn_norm`,
/// `blk.N.attn_out`, `blk.N.ffn_norm`, `blk.N.ffn_out`, `blk.N.ffn_probs` (scores, where experts are chosen by them),
/// `blk.N.out`, `output_norm`.
package protocol TapObserver: AnyObject {
  /// Whether `name` is of interest; asked each time.
  func wants(_ name: String) -> Bool
  /// Receives the rows, on the thread that evaluates; they are valid during the call alone.
  func observe(_ name: String, _ rows: TapRows)
}

/// Rows of an intermediate value.
package struct TapRows {
  /// All values, row after row.
  package var values: UnsafeBufferPointer<Float>
  /// Rows.
  package var rowCount: Int
  /// Values per row.
  package var rowLength: Int
  /// The expert of each row, ascending, for matrices of routed experts; a token occurs once per expert it uses.
  package var experts: [Int]?
  /// The number of the sequence in a group that the rows are of; 0 outside of groups.
  package var sequence = 0
}
