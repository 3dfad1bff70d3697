namespace Lathe.Graph;

/// <summary>Shape of one image's tensor: [C, H, W], or [C] once flattened.</summary>
/// <param name="Channels">Channels, or features of a flat tensor.</param>
/// <param name="Height">1 for a flat tensor.</param>
/// <param name="Width">1 for a flat tensor.</param>
/// <param name="IsFlat">True after <see cref="Flatten"/> or <see cref="Linear"/>.</param>
public readonly record struct TensorShape(int Channels, int Height = 1, int Width = 1, bool IsFlat = false)
{
    /// <summary>As messages show it.</summary>
    public override string ToString() => IsFlat ? $"[{Channels}]" : $"[{Channels}, {Height}, {Width}]";
}
