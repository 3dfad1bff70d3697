using System.Globalization;
using System.Text;

namespace Lathe.NN.Data;

/// <summary>Random changes to training images. The draws for an image depend on (seed, epoch, image) alone.</summary>
/// <param name="Shift">Largest shift in pixels in each direction, with zeros at the edge (pad and crop); 0: none.</param>
/// <param name="Flip">Mirrors every other image, left to right.</param>
/// <param name="Cutout">Side of a square set to the mean, at a random place, cut off at the edges; 0: none.</param>
/// <param name="Crop">Cuts and resizes photographs; null: the middle, as in evaluation. Only for images that are decoded from files.</param>
/// <param name="Colours">Changes colours; null: none.</param>
/// <param name="Mixup">
/// Blends each image and its label with the next one of the batch, in shares drawn from the distribution Beta(m, m); in [0, 1], 0: none.
/// </param>
public sealed record Augmentation(
    int Shift = 0, bool Flip = false, int Cutout = 0, RandomCrop? Crop = null, ColourJitter? Colours = null, double Mixup = 0)
{
    /// <summary>Whether it changes anything.</summary>
    internal bool IsNone => this == new Augmentation();

    internal bool IsValid => Shift >= 0 && Cutout >= 0 && (Crop?.IsValid ?? true) && (Colours?.IsValid ?? true) && Mixup is >= 0 and <= 1;

    // Saved training states contain this text. It leaves out unused parts, so that states of older versions still match.
    private bool PrintMembers(StringBuilder text)
    {
        text.Append(CultureInfo.InvariantCulture, $"Shift = {Shift}, Flip = {Flip}, Cutout = {Cutout}");
        if (Crop is not null)
            text.Append(CultureInfo.InvariantCulture, $", Crop = {Crop}");
        if (Colours is not null)
            text.Append(CultureInfo.InvariantCulture, $", Colours = {Colours}");
        if (Mixup > 0)
            text.Append(CultureInfo.InvariantCulture, $", Mixup = {Mixup}");
        return true;
    }
}
