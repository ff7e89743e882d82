import { Module } from '@nestjs/common';
import { ImageProcessingService } from './image-processing.service.js';

/** Decodes uploaded images in processes of their own. */
@Module({ providers: [ImageProcessingService], exports: [ImageProcessingService] })
export class ImagesModule {}
