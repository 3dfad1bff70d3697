using System.Globalization;
using System.Text.RegularExpressions;
using Lathe.Contracts;

namespace Lathe.Graph.Models;

/// <summary>The name of a DenseNet-BC for small images taken apart: <c>densenet100-12</c> is L = 100, k = 12.</summary>
/// <param name="Depth">L = 6n + 4: convolutions and linear layers of three blocks of n layers.</param>
/// <param name="Growth">k: channels that each layer adds.</param>
internal readonly partial record struct DenseNetName(int Depth, int Growth)
{
    /// <summary>Which names these are, for people.</summary>
    public const string Form = "densenetL-K for any depth L = 6n + 4 from 10 to 400 and growth K from 1 to 64";

    private const int Shallowest = 10;
    private const int Deepest = 400;
    private const int MostGrowth = 64;

    /// <summary>Takes a name apart.</summary>
    /// <param name="name">Without a width.</param>
    /// <returns>Null where it is no name of this form.</returns>
    /// <exception cref="LatheException">It is one, of a depth or a growth that there is not.</exception>
    public static DenseNetName? Parse(string name)
    {
        if (Pattern().Match(name) is not { Success: true } match) return null;
        var (depth, growth) = (match.Groups["depth"].Value, match.Groups["growth"].Value);
        if (Number(depth) is not (>= Shallowest and <= Deepest and var layers))
            throw new LatheException($"model '{name}' has the depth {depth}; expected {Shallowest} to {Deepest} layers, as in densenet100-{growth}");
        if (Number(growth) is not (>= 1 and <= MostGrowth and var channels))
            throw new LatheException($"model '{name}' has the growth {growth}; expected 1 to {MostGrowth} channels, as in densenet{depth}-12");
        return (layers - 4) % 6 == 0 ? new DenseNetName(layers, channels) : throw NoDepth(name, layers, channels);
    }

    /// <summary>The one spelling of this model: no needless zeros.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"densenet{Depth}-{Growth}");

    private static LatheException NoDepth(string name, int depth, int growth)
    {
        var below = depth - ((depth - 4) % 6);
        return new LatheException(
            $"model '{name}' has the depth {depth}; expected 6n + 4, three blocks of n layers of two convolutions each, of which the nearest are "
            + $"{below} and {below + 6}: {new DenseNetName(below, growth)} or {new DenseNetName(below + 6, growth)}");
    }

    /// <summary>A number that is too long to be one is too large as well.</summary>
    private static int Number(string digits) =>
        int.TryParse(digits, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) ? number : int.MaxValue;

    [GeneratedRegex("^densenet(?<depth>-?[0-9]+)-(?<growth>-?[0-9]+)$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex Pattern();
}
