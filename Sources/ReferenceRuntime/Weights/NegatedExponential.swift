#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// `-exp(x)`, rounded from f64.
func negatedExponential(_ x: Float) -> Float { Float(-exp(Double(x))) }
