using Lathe.NN.Graphs;

namespace Lathe.NN.Data;

/// <summary>A data set in memory.</summary>
/// <param name="Name">For example <c>fashion-mnist</c>.</param>
/// <param name="Classes">Number of classes.</param>
/// <param name="Input">Shape of one image.</param>
/// <param name="Train">Training images; validation splits are cut from it.</param>
/// <param name="Test">Test images, for the final figure only.</param>
public sealed record DataSet(string Name, int Classes, TensorShape Input, Split Train, Split Test)
{
    /// <summary>How pixels become inputs, from all training images.</summary>
    public Normalization Normalization => Train.Normalization;

    /// <summary>
    /// Changes that keep an image's class: shifts of two pixels at 28² and four at 32², mirroring for all but digits.
    /// </summary>
    public Augmentation UsualAugmentation => new(Shift: Input.Height < 32 ? 2 : Input.Height / 8, Flip: Name != "mnist");
}
