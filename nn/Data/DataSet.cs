using Lathe.Graph;

namespace Lathe.NN.Data;

/// <summary>A data set, in memory or decoded from files.</summary>
/// <param name="Name">For example <c>fashion-mnist</c>.</param>
/// <param name="Classes">Number of classes.</param>
/// <param name="Input">Shape of one image.</param>
/// <param name="Train">Training images; validation splits are cut from it.</param>
/// <param name="Test">Test images, for the final figure only; of image folders those called validation.</param>
public sealed record DataSet(string Name, int Classes, TensorShape Input, Split Train, Split Test)
{
    /// <summary>What a person should know of files that are not part of it; null where there are none.</summary>
    public string? LeftOut { get; init; }

    /// <summary>What is known of it without its images.</summary>
    public DataSetForm Form => new(Name, Input, Classes);

    /// <summary>How pixels become inputs: from all training images, or ImageNet's for photographs.</summary>
    public Normalization Normalization => Train.Normalization;

    /// <summary>
    /// Changes that keep an image's class: shifts of two pixels at 28² and four at 32², mirroring for all but digits; for photographs
    /// random resized crops and mirroring; for tensors, which may be anything, none.
    /// </summary>
    public Augmentation UsualAugmentation => Train.IsTensor ? new() : Train.IsDecoded
        ? new(Flip: true, Crop: new RandomCrop())
        : new(Shift: Input.Height < 32 ? 2 : Input.Height / 8, Flip: Name != "mnist");

    /// <summary>Images of both splits found damaged up to now. They were left out of batches, the next good one in their place.</summary>
    public IReadOnlyList<DamagedImage> Damaged => [.. Train.Damaged, .. Test.Damaged];

    /// <summary>What a person should know of <see cref="Damaged"/>; null where all images are sound.</summary>
    public string? DamageReport => string.Join(". ", ((string?[])[DamagedImages, LeftOut]).OfType<string>()) is { Length: > 0 } report ? report : null;

    private string? DamagedImages => Damaged is { Count: > 0 } damaged
        ? $"{damaged.Count} images of {Name} are damaged and were left out, the next good one in their place: "
            + string.Join("; ", damaged.Take(5).Select(d => $"{d.Name}: {d.Why}")) + (damaged.Count > 5 ? "; ..." : "")
        : null;
}
