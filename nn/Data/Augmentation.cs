namespace Lathe.NN.Data;

/// <summary>Random changes to training images. The draws for an image depend on (seed, epoch, image) alone.</summary>
/// <param name="Shift">Moves by up to so many pixels each way, zeros coming in at the edge (pad and crop); 0: none.</param>
/// <param name="Flip">Mirrors every other image, left to right.</param>
/// <param name="Cutout">Side of a square set to the mean, at a random place, cut off at the edges; 0: none.</param>
public sealed record Augmentation(int Shift = 0, bool Flip = false, int Cutout = 0);
