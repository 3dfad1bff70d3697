using System.Globalization;
using Lathe.Contracts;

namespace Lathe.Graph.Models;

/// <summary>A model's name taken apart: <c>resnet50</c>, or <c>resnet50@0.5</c> for half as many channels in every layer.</summary>
/// <param name="Base">The name without a width.</param>
/// <param name="Width">1 where the name says none.</param>
internal readonly record struct ModelName(string Base, Width Width)
{
    private const double Widest = 8;

    /// <summary>Takes a name apart.</summary>
    /// <exception cref="LatheException">What follows the '@' is no width.</exception>
    public static ModelName Parse(string name)
    {
        var at = name.IndexOf('@', StringComparison.Ordinal);
        if (at < 0) return new ModelName(name, Width.Full);
        var isNumber = double.TryParse(name.AsSpan(at + 1), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var factor);
        return isNumber && factor is > 0 and <= Widest
            ? new ModelName(name[..at], new Width(factor))
            : throw new LatheException($"model '{name}' has the width '{name[(at + 1)..]}' after its '@'; expected a decimal number above 0 "
                + $"and at most {Widest}, as in {name[..at]}@0.5");
    }

    /// <summary>The one spelling of this model: no width of 1, no needless zeros.</summary>
    public override string ToString() =>
        Width == Width.Full ? Base : string.Create(CultureInfo.InvariantCulture, $"{Base}@{Width.Factor}");
}

/// <summary>How many channels a network's layers have, as a factor on the published ones.</summary>
/// <param name="Factor">Above 0.</param>
internal readonly record struct Width(double Factor)
{
    public static Width Full { get; } = new(1);

    /// <summary>A layer's channels: to the nearest, at least 1.</summary>
    public int Of(int channels) => Math.Max(1, (int)Math.Round(channels * Factor, MidpointRounding.AwayFromZero));
}

/// <summary>What a model of the zoo is built from.</summary>
/// <param name="Name">Name of the graph.</param>
/// <param name="Input">Image shape.</param>
/// <param name="Classes">Number of logits.</param>
/// <param name="Width">Factor on the channels of every layer but the logits.</param>
internal sealed record ModelSpec(string Name, TensorShape Input, int Classes, Width Width);
