/// A choice in whole numbers, and which one it was.
struct KnapsackChoice {
  var byteCount: Int
  var loss: Int
  var index: Int
}
