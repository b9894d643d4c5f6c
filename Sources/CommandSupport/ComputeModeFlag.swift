public import ArgumentParser
public import TensorCompute

/// The compute mode as a flag.
public enum ComputeModeFlag: String, CaseIterable, ExpressibleByArgument {
  /// f32 activations.
  case exact
  /// 8-bit activations, as deployed engines compute.
  case fast

  /// The mode.
  public var mode: ComputeMode { self == .exact ? .exact : .fast }
}
