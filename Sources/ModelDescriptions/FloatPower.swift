#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// `base` to the power `exponent`, computed in double precision and rounded to f32 once.
func powered(_ base: Double, _ exponent: Float) -> Float { Float(pow(Double(Float(base)), Double(exponent))) }

/// The natural logarithm.
func logarithm(_ x: Double) -> Double { log(x) }

/// e to the power `x`.
func exponential(_ x: Double) -> Double { exp(x) }

/// The decimal number that a 32-bit one was made of: six digits after the point, as configurations have at most.
func decimal(_ number: Double) -> Double { (number * 1e6).rounded() / 1e6 }
