/// The 32-bit Mersenne twister of C++'s `std::mt19937`.
///
/// Written from the paper by Matsumoto and Nishimura (1998).
package struct MersenneTwister: RandomNumberGenerator, Sendable {
  private var state: [UInt32]
  private var index: Int

  /// Starts from a seed as `std::mt19937` does.
  package init(seed: UInt32) {
    state = [UInt32](repeating: 0, count: 624)
    state[0] = seed
    for i in 1..<624 {
      let previous = state[i - 1] ^ (state[i - 1] >> 30)
      state[i] = 1_812_433_253 &* previous &+ UInt32(i)
    }
    index = 624
  }

  /// The next 32 bits.
  package mutating func next32() -> UInt32 {
    if index == 624 { advance() }
    var y = state[index]
    index += 1
    y ^= y >> 11
    y ^= (y << 7) & 0x9D2C_5680
    y ^= (y << 15) & 0xEFC6_0000
    return y ^ (y >> 18)
  }

  private mutating func advance() {
    for i in 0..<624 {
      let y = (state[i] & 0x8000_0000) | (state[(i + 1) % 624] & 0x7FFF_FFFF)
      state[i] = state[(i + 397) % 624] ^ (y >> 1) ^ (y & 1 == 0 ? 0 : 0x9908_B0DF)
    }
    index = 0
  }

  /// 64 bits, the first draw being the low half.
  package mutating func next() -> UInt64 {
    let low = UInt64(next32())
    return low | UInt64(next32()) << 32
  }

  /// A double in [0, 1) as libstdc++'s `uniform_real_distribution<double>` makes it: two draws, the first low.
  package mutating func uniform() -> Double {
    let low = Double(next32())
    let high = Double(next32())
    let value = (low + high * 4_294_967_296) / 18_446_744_073_709_551_616
    return value < 1 ? value : 1.0.nextDown
  }
}
