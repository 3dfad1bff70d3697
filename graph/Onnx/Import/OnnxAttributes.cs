using System.Globalization;
using Lathe.Contracts;
using Lathe.Graph.Onnx.Format;

namespace Lathe.Graph.Onnx;

/// <summary>A node's attributes, checked against the limits of a network's nodes.</summary>
/// <param name="node">The node.</param>
internal sealed class OnnxAttributes(NodeProto node)
{
    /// <summary>
    /// TensorFlow's "same", which ONNX has no word for: as SAME_UPPER, and windows that leave pixels out begin at the first. No file can say it.
    /// </summary>
    public const string SameFromFirst = "SAME_UPPER\u0001";

    public AttributeProto? Find(string name) => node.Attribute.FirstOrDefault(a => a.Name == name);

    public long Integer(string name, long usual) => Find(name) is { } attribute ? attribute.I : usual;

    public IReadOnlyList<long>? Integers(string name) => Find(name)?.Ints;

    /// <summary>The number as a person writes it: 1e-5, where float32's nearest is 9.99999975e-6.</summary>
    public double Number(string name, double usual) => Find(name) is { } attribute ? Written(attribute.F) : usual;

    public string Text(string name, string usual) => Find(name) is { } attribute ? attribute.S.ToStringUtf8() : usual;

    /// <exception cref="LatheException">It has another value.</exception>
    public void Require(string name, long expected, long usual, string what)
    {
        if (Integer(name, usual) is var value && value != expected)
            throw new LatheException($"{name} is {value}; {what}");
    }

    /// <summary>A number for height and width, or of sequences for width alone.</summary>
    /// <param name="name">Of the attribute.</param>
    /// <param name="usual">Where it is not there.</param>
    /// <param name="dropped">Whether there is no height.</param>
    /// <exception cref="LatheException">Of another length, or out of range.</exception>
    public Extent Extent(string name, Extent usual, Dropped dropped)
    {
        if (Integers(name) is not { Count: > 0 } values) return usual;
        if (values.Any(value => value is < 1 or > ShapeInference.MaxValues)) throw new LatheException($"{name} is [{List(values)}]; expected numbers from 1 to {ShapeInference.MaxValues}");
        return (values, dropped) switch
        {
            ([var width], Dropped.Height) => new Extent(1, (int)width),
            ([var height, var width], not Dropped.Height) => new Extent((int)height, (int)width),
            _ => throw new LatheException($"{name} is [{List(values)}]; expected {(dropped == Dropped.Height ? "one number" : "height and width")}"),
        };
    }

    /// <summary>Pixels of border, as <c>pads</c> or <c>auto_pad</c> say.</summary>
    /// <param name="reach">Of a window, dilation included.</param>
    /// <param name="stride">Of windows.</param>
    /// <param name="image">The input's shape, with the border that another node put around it.</param>
    /// <param name="dropped">Whether there is no height.</param>
    /// <exception cref="LatheException">Not as many as sides, or below 0.</exception>
    public Border Padding(Extent reach, Extent stride, TensorShape image, Dropped dropped)
    {
        var mode = Text("auto_pad", "NOTSET");
        if (mode == "VALID") return default;
        if (mode is "SAME_UPPER" or "SAME_LOWER" or SameFromFirst)
        {
            var (rows, columns) = (Same(mode, image.Height, reach.Height, stride.Height), Same(mode, image.Width, reach.Width, stride.Width));
            // Of an odd number the one more comes behind or before.
            var more = mode == "SAME_LOWER" ? 1 : 0;
            var (top, left) = ((rows + more) / 2, (columns + more) / 2);
            return new Border(top, left, rows - top, columns - left);
        }

        if (mode != "NOTSET") throw new LatheException($"auto_pad is '{OnnxText.Short(mode)}'; expected NOTSET, VALID, SAME_UPPER or SAME_LOWER");
        if (Integers("pads") is not { Count: > 0 } pads) return default;
        if (pads.Any(pad => pad is < 0 or > ShapeInference.MaxValues)) throw new LatheException($"pads is [{List(pads)}]; expected numbers from 0 to {ShapeInference.MaxValues}");
        return (pads, dropped) switch
        {
            ([var before, var behind], Dropped.Height) => new Border(0, (int)before, 0, (int)behind),
            ([var top, var left, var bottom, var right], not Dropped.Height) => new Border((int)top, (int)left, (int)bottom, (int)right),
            _ => throw new LatheException($"pads is [{List(pads)}]; expected {(dropped == Dropped.Height ? "2" : "4")} numbers, those before first"),
        };

        static int Same(string mode, int extent, int reach, int stride)
        {
            var steps = ((long)extent + stride - 1) / stride;
            var missing = ((steps - 1) * stride) + reach - extent;
            // Of windows that leave pixels out, some runtimes take the first at the first pixel and others behind it.
            return missing > -2 || mode == SameFromFirst ? (int)Math.Clamp(missing, 0, ShapeInference.MaxValues) : throw new LatheException(
                $"auto_pad is {mode}, and windows of {reach} pixels at every {stride} leave {-missing} of {extent} out, at which side runtimes differ; export it with pads in the place of auto_pad");
        }
    }

    public static double Written(float value) => double.Parse(value.ToString("R", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);

    public static string List(IEnumerable<long> values) => string.Join(", ", values.Take(16));
}
