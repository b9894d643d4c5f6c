extension MeasuringArguments {
  /// What is said before a model draws several answers at a time.
  ///
  /// - Parameters:
  ///   - label: The model.
  ///   - answerCount: Answers at a time.
  ///   - memoryByteCount: The memory that is foretold.
  ///   - readByteCount: Bytes of weights that are read for one more token of all these answers.
  /// - Returns: One line.
  package static func drawingIntent(
    label: String, answerCount: Int, memoryByteCount: Int, readByteCount: Int
  ) -> String {
    let memory = "takes at most \(ByteSize.text(memoryByteCount)) of memory"
    let answers = "\(label): draws \(answerCount) answer\(answerCount == 1 ? "" : "s") at a time"
    guard readByteCount > 0 else { return "\(answers): \(memory)" }
    return
      "\(answers), layer by layer: \(memory), reads about \(ByteSize.text(readByteCount)) of weights a step"
  }

  /// What is said after the first steps.
  ///
  /// - Parameters:
  ///   - label: The model.
  ///   - answerCount: Answers in all.
  ///   - tokenLimit: The most tokens of an answer.
  ///   - seconds: The most seconds for all of them.
  /// - Returns: One line.
  package static func drawingOutlook(label: String, answerCount: Int, tokenLimit: Int, seconds: Double)
    -> String
  {
    "\(label): at the speed of the first steps, at most \(ProgressBar.duration(seconds)) for \(answerCount) "
      + "answer\(answerCount == 1 ? "" : "s") of up to \(tokenLimit) tokens"
  }
}
