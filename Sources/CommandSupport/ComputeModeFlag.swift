internal import ArgumentParser
package import TensorCompute

/// The compute mode as a flag.
package enum ComputeModeFlag: String, CaseIterable, ExpressibleByArgument {
  /// f32 activations.
  case exact
  /// 8-bit activations, as deployed engines compute.
  case fast

  /// The mode.
  package var mode: ComputeMode { self == .exact ? .exact : .fast }
}
