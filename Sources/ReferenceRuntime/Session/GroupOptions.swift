/// How a ``GroupSession`` cuts its work; without effect on results.
package struct GroupOptions: Hashable, Sendable {
  /// The most tokens of a sequence that a mixer sees together.
  package var batchLength: Int
  /// The most rows, of any sequences, that a feed-forward network sees together.
  ///
  /// A mixture of experts gains from many: each expert's weights are read once for all rows that chose it.
  package var feedForwardRows: Int
  /// Whether weights are given back as soon as a layer is done, for models that do not fit in memory.
  package var givesWeightsBack: Bool

  /// Creates options.
  package init(batchLength: Int = 512, feedForwardRows: Int = 512, givesWeightsBack: Bool = false) {
    precondition(batchLength > 0 && feedForwardRows > 0, "work is cut into pieces of at least one row")
    self.batchLength = batchLength
    self.feedForwardRows = feedForwardRows
    self.givesWeightsBack = givesWeightsBack
  }
}
