internal import FileBytes

extension MeasuringPlan.Limits {
  /// What this machine has now, for a measurement that is about to begin.
  ///
  /// - Parameters:
  ///   - allowed: The most that it may take; `nil` for what there is.
  ///   - held: What the process holds already; `nil` for what the system says.
  /// - Returns: The limits.
  package static func ofMachine(allowed: Int?, held: Int? = nil) -> Self {
    Self(
      allowed: allowed, available: MachineMemory.availableByteCount, total: MachineMemory.totalByteCount,
      held: held ?? ProcessMemory.heldByteCount)
  }
}
