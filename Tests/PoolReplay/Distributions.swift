internal import Glibc

extension SplitMix {
    /// In 0..<1.
    mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

    mutating func exponential(mean: Double) -> Double { -mean * log(1 - uniform()) }

    mutating func normal() -> Double { (-2 * log(1 - uniform())).squareRoot() * cos(2 * .pi * uniform()) }

    mutating func logNormal(median: Double, sigma: Double) -> Double { median * exp(sigma * normal()) }

    /// Heavy-tailed whole number from 1 to `most`: the chance of more than n falls with n^−shape.
    mutating func pareto(shape: Double, most: Double) -> Int {
        let cut = pow(most, -shape)
        return Int(pow(1 - uniform() * (1 - cut), -1 / shape))
    }

    /// 1, 2, 3, …: how many until one, which comes with chance 1/mean, is the last.
    mutating func geometric(mean: Double) -> Int {
        mean <= 1 ? 1 : 1 + Int(log(1 - uniform()) / log(1 - 1 / mean))
    }
}
