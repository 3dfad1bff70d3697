using Lathe.Contracts;

namespace Lathe.Graph;

/// <summary>Checks a node's own numbers, independent of its inputs.</summary>
internal static class NodeFields
{
    private const double MostSlope = 1000;

    /// <exception cref="LatheException">A field is out of range; the message names the node and the field.</exception>
    public static void Check(Node node)
    {
        switch (node)
        {
            case Conv2d c:
                Range(node, "inChannels", c.InChannels, 1);
                Range(node, "outChannels", c.OutChannels, 1);
                Range(node, "kernel", c.Kernel);
                Range(node, "stride", c.Stride);
                Range(node, "padding", c.Padding);
                Range(node, "dilation", c.Dilation);
                Range(node, "groups", c.Groups, 1);
                if (c.InChannels % c.Groups != 0 || c.OutChannels % c.Groups != 0)
                    throw new LatheException(
                        $"node '{node.Name}' has {c.Groups} groups, which must divide its {c.InChannels} input and {c.OutChannels} output channels");
                CheckWeight(node, (long)c.OutChannels * (c.InChannels / c.Groups), c.Kernel.Area);
                break;
            case Linear l:
                Range(node, "inFeatures", l.InFeatures, 1);
                Range(node, "outFeatures", l.OutFeatures, 1);
                CheckWeight(node, l.InFeatures, l.OutFeatures);
                break;
            case BatchNorm b:
                Range(node, "channels", b.Channels, 1);
                if (!(b.Epsilon > 0 && double.IsFinite(b.Epsilon)))
                    throw new LatheException($"node '{node.Name}' has epsilon {b.Epsilon}; it must be greater than 0");
                if (!(b.Momentum is > 0 and <= 1))
                    throw new LatheException($"node '{node.Name}' has momentum {b.Momentum}; it must be in (0, 1]");
                break;
            case GroupNorm g:
                Range(node, "channels", g.Channels, 1);
                Range(node, "groups", g.Groups, 1);
                if (g.Channels % g.Groups != 0) throw new LatheException($"node '{node.Name}' has {g.Groups} groups, which must divide its {g.Channels} channels");
                if (!(g.Epsilon > 0 && double.IsFinite(g.Epsilon)))
                    throw new LatheException($"node '{node.Name}' has epsilon {g.Epsilon}; it must be greater than 0");
                break;
            case LeakyRelu r when !double.IsFinite(r.Slope) || Math.Abs(r.Slope) > MostSlope:
                throw new LatheException($"node '{node.Name}' has slope {r.Slope}; it must be between -{MostSlope} and {MostSlope}");
            case PRelu r:
                Range(node, "channels", r.Channels, 1);
                break;
            case MaxPool2d p: CheckPool(node, p.Kernel, p.Stride, p.Padding); break;
            case AvgPool2d p:
                Range(node, "padding", p.Padding);
                CheckPool(node, p.Kernel, p.Stride, p.Beyond);
                break;
            case Unflatten u:
                Range(node, "height", u.Height, 1);
                Range(node, "width", u.Width, 1);
                break;
            case AdaptiveAvgPool2d p:
                Range(node, "height", p.Height, 1);
                Range(node, "width", p.Width, 1);
                break;
            case Pad p:
                Range(node, "before", p.Before, 0);
                Range(node, "after", p.After, 0);
                Range(node, "border", p.Border);
                break;
            case Dropout d when !(d.Probability is >= 0 and < 1):
                throw new LatheException($"node '{node.Name}' has dropout probability {d.Probability}; it must be in [0, 1)");
            case Quantize q:
                if (q.Bits is < 2 or > 8)
                    throw new LatheException($"node '{node.Name}' quantizes to {q.Bits} bits; they must be 2 to 8");
                if (q.Fraction is < -64 or > 64)
                    throw new LatheException($"node '{node.Name}' has {q.Fraction} binary places; they must be -64 to 64");
                break;
            case Activation a when !Enum.IsDefined(a.Kind):
                throw new LatheException($"node '{node.Name}' has an unknown activation, {(int)a.Kind}");
        }
    }

    private static void CheckPool(Node node, Extent kernel, Extent stride, Border padding)
    {
        Range(node, "kernel", kernel);
        Range(node, "stride", stride);
        Range(node, "padding", padding);
        // Otherwise a window could have no pixel that counts.
        if (Math.Max(padding.Top, padding.Bottom) >= kernel.Height || Math.Max(padding.Left, padding.Right) >= kernel.Width)
            throw new LatheException($"node '{node.Name}' pads by {padding}; its kernel of {kernel} must be larger on every side");
    }

    private static void Range(Node node, string field, Extent value)
    {
        Range(node, field, value.Height, 1);
        Range(node, field, value.Width, 1);
    }

    private static void Range(Node node, string field, Border value)
    {
        Range(node, field, value.Least, 0);
        Range(node, field, value.Most, 0);
    }

    private static void Range(Node node, string field, int value, int least)
    {
        if (value < least || value > ShapeInference.MaxValues)
            throw new LatheException($"node '{node.Name}' has {field} {value}; it must be between {least} and {ShapeInference.MaxValues}");
    }

    private static void CheckWeight(Node node, long rows, long columns)
    {
        if (rows > ShapeInference.MaxValues || columns > ShapeInference.MaxValues || rows * columns > ShapeInference.MaxValues)
            throw new LatheException($"node '{node.Name}' has a weight of more than {ShapeInference.MaxValues} values");
    }
}
