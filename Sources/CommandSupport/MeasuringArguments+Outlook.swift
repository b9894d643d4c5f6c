extension MeasuringArguments {
  /// What is said after the first layer of the first group.
  ///
  /// - Parameters:
  ///   - reading: Seconds of reading in all.
  ///   - arithmetic: Seconds of arithmetic in all.
  /// - Returns: One line.
  public static func outlook(reading: Double, arithmetic: Double) -> String {
    "at the speed of the first layer, about \(ProgressBar.duration(reading)) of reading beside "
      + "\(ProgressBar.duration(arithmetic)) of arithmetic in all"
  }
}
